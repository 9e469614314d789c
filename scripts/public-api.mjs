/** What each entry point of the package exports, with the types that it refers to, by its declarations. */
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';

const library = join(import.meta.dirname, '../libs/service-discovery');
const sources = join(library, 'src');

/** The entries, each after those whose names it exports again: a declaration stands in the report of the first one. */
export const ENTRIES = {
  core: './core',
  axios: './axios',
  index: '.',
  dashboard: './dashboard',
  kong: './kong',
  testing: './testing',
};

const fileOf = (entry) => join(sources, `${entry}.d.ts`);

/** The declarations that the package would ship, by path beside the sources. */
export function emitDeclarations() {
  const config = join(library, 'tsconfig.build.json');
  const host = {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(String(messageText));
    },
  };
  const { fileNames, options } = ts.getParsedCommandLineOfConfigFile(config, {}, host);
  const program = ts.createProgram(fileNames, { ...options, emitDeclarationOnly: true, outDir: undefined });
  const files = new Map();
  program.emit(undefined, (path, text) => files.set(resolve(path), text), undefined, true);
  return files;
}

/** A program of these declarations alone: what other packages declare is not reported. */
function programOf(files) {
  const options = { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.NodeNext, types: [], noLib: true };
  const host = ts.createCompilerHost(options);
  return ts.createProgram({
    rootNames: Object.keys(ENTRIES).map(fileOf),
    options,
    host: {
      ...host,
      fileExists: (path) => files.has(resolve(path)),
      getSourceFile: (path, version) => {
        const text = files.get(resolve(path));
        return text === undefined ? undefined : ts.createSourceFile(path, text, version, true);
      },
      resolveModuleNameLiterals: (literals, from) =>
        literals.map(({ text }) => {
          const path = join(dirname(from), text.replace(/\.js$/, '.d.ts'));
          const isOwn = text.startsWith('.') && files.has(path);
          return { resolvedModule: isOwn ? { resolvedFileName: path, extension: ts.Extension.Dts } : undefined };
        }),
    },
  });
}

/**
 * Of each entry: the number of its names, those that it is the first to export, the others by that entry, and types that these
 * refer to without being exported.
 * @param files declarations by path
 */
export function reportsOf(files) {
  const api = new PublicApi(programOf(files));
  return Object.keys(ENTRIES).map((entry) => api.reportOf(entry));
}

class PublicApi {
  /** The entry that an exported symbol is reported for. */
  exported = new Map();
  /** What is not exported and was reported. */
  inner = new Set();

  constructor(program) {
    this.program = program;
    this.checker = program.getTypeChecker();
    for (const entry of Object.keys(ENTRIES)) {
      for (const [, symbol] of this.exportsOf(this.moduleOf(entry))) {
        if (!this.exported.has(symbol)) this.exported.set(symbol, entry);
      }
    }
  }

  reportOf(entry) {
    const all = this.exportsOf(this.moduleOf(entry)).sort(byName);
    const own = all.filter(([, symbol]) => this.exported.get(symbol) === entry);
    const others = Object.keys(ENTRIES).flatMap((from) => {
      const names = all.flatMap(([name, symbol]) => (this.exported.get(symbol) === from ? [name] : []));
      return from !== entry && names.length > 0 ? [{ from, names }] : [];
    });
    return {
      entry,
      count: this.checker.getExportsOfModule(this.moduleOf(entry)).length,
      own: own.map((name) => this.describe(name)),
      others,
      inner: this.unexported(own.map(([, symbol]) => symbol)).map((name) => this.describe(name)),
    };
  }

  moduleOf(entry) {
    return this.checker.getSymbolAtLocation(this.program.getSourceFile(fileOf(entry)));
  }

  describe([name, symbol]) {
    return {
      name,
      docstring: ts.displayPartsToString(symbol.getDocumentationComment(this.checker)),
      /** @param comments whether the text has the docstrings */
      declarations: ({ comments }) => {
        const printer = ts.createPrinter({ removeComments: !comments });
        return statementsOf(symbol).map((statement) => textOf(statement, printer));
      },
    };
  }

  targetOf(symbol) {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  /** @returns the exported names with what they stand for, those of a namespace as `Namespace.Name` */
  exportsOf(module, prefix = '') {
    return this.checker.getExportsOfModule(module).flatMap((symbol) => {
      const target = this.targetOf(symbol);
      const name = prefix + symbol.name;
      return isNamespace(target) ? this.exportsOf(target, `${name}.`) : [[name, target]];
    });
  }

  /** What the symbols refer to that no entry exports, and no report has yet. */
  unexported(symbols) {
    const found = [];
    const queue = [...symbols];
    for (const symbol of queue) {
      for (const reference of statementsOf(symbol).flatMap((statement) => [...this.referencesOf(statement)])) {
        if (this.exported.has(reference) || this.inner.has(reference)) continue;
        this.inner.add(reference);
        found.push([reference.name, reference]);
        queue.push(reference);
      }
    }
    return found.sort(byName);
  }

  /** The declarations of the package that one refers to, but for those that are members of another one. */
  referencesOf(statement) {
    const found = new Set();
    const visit = (node) => {
      if (ts.isIdentifier(node)) {
        const symbol = this.checker.getSymbolAtLocation(node);
        const target = symbol && this.targetOf(symbol);
        if (target?.declarations?.some((at) => ts.isSourceFile(at.parent) || ts.isVariableDeclaration(at))) {
          found.add(target);
        }
      }
      const isHidden = ts.isClassElement(node) && ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private;
      if (!isHidden) ts.forEachChild(node, visit);
    };
    visit(statement);
    return found;
  }
}

const isNamespace = (symbol) => symbol.declarations?.some(ts.isSourceFile) ?? false;
const byName = ([one], [other]) => (one < other ? -1 : 1);

/** The statements that declare a symbol. */
function statementsOf(symbol) {
  const statements = symbol.declarations.map((node) => ts.findAncestor(node, ({ parent }) => ts.isSourceFile(parent)));
  return [...new Set(statements)];
}

/** Without what is private, but for a constructor: that there is none to call is part of a class. */
function textOf(statement, printer) {
  const isPublic = (member) =>
    ts.isConstructorDeclaration(member) ||
    (!(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private) &&
      !(member.name && ts.isPrivateIdentifier(member.name)));
  const members = ts.isClassDeclaration(statement) ? statement.members.filter(isPublic) : undefined;
  const { modifiers, name, typeParameters, heritageClauses } = statement;
  const shown = members
    ? ts.factory.updateClassDeclaration(statement, modifiers, name, typeParameters, heritageClauses, members)
    : statement;
  return printer
    .printNode(ts.EmitHint.Unspecified, shown, statement.getSourceFile())
    .replace(/^export /m, '')
    .replace(/^declare /m, '')
    .replaceAll(/import\(["']\.[^)]+\)\./g, '');
}
