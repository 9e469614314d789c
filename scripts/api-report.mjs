/**
 * Reports what each entry point exports, with the types that it refers to, and compares the reports with those that are committed:
 * a change of the public surface then shows in a diff. With `--write` the committed ones are replaced.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';

const library = join(import.meta.dirname, '../libs/service-discovery');
const reports = join(library, 'api');
const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });

/** The entries, each after those whose names it exports again: a declaration stands in the report of the first one. */
const ENTRIES = {
  core: './core',
  axios: './axios',
  index: '.',
  dashboard: './dashboard',
  kong: './kong',
  testing: './testing',
};

/** The declarations that the package would ship, by path beside the sources. */
function emitDeclarations() {
  const config = join(library, 'tsconfig.build.json');
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: ({ messageText }) => fail(String(messageText)) };
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

const fileOf = (entry) => join(library, 'src', `${entry}.d.ts`);

const program = programOf(emitDeclarations());
const checker = program.getTypeChecker();
const printer = ts.createPrinter({ removeComments: true });
/** The entry that an exported symbol is reported for. */
const exported = new Map();
/** The entry that an exported name is reported for. */
const entryOf = new Map();
/** What is not exported and was reported. */
const inner = new Set();

const targetOf = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
/** Names that say what these are; their fields have the docstrings. */
const NEEDS_NO_DOCSTRING = /^DEFAULT_|(Deps|Options)$/;
const isNamespace = (symbol) => symbol.declarations?.some(ts.isSourceFile) ?? false;
const byName = ([one], [other]) => (one < other ? -1 : 1);

/** @returns the exported names with what they stand for, those of a namespace as `Namespace.Name` */
function exportsOf(module, prefix = '') {
  return checker.getExportsOfModule(module).flatMap((symbol) => {
    const target = targetOf(symbol);
    const name = prefix + symbol.name;
    return isNamespace(target) ? exportsOf(target, `${name}.`) : [[name, target]];
  });
}

/** The statements that declare a symbol. */
function statementsOf(symbol) {
  const statements = symbol.declarations.map((node) => ts.findAncestor(node, ({ parent }) => ts.isSourceFile(parent)));
  return [...new Set(statements)];
}

/** Without comments, and without what is private, but for a constructor: that there is none to call is part of a class. */
function textOf(statement) {
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
    .replace(/^export /, '')
    .replace(/^declare /, '')
    .replaceAll(/import\(["']\.[^)]+\)\./g, '');
}

/** The declarations of the package that one refers to, but for those that are members of another one. */
function referencesOf(statement) {
  const found = new Set();
  const visit = (node) => {
    if (ts.isIdentifier(node)) {
      const symbol = checker.getSymbolAtLocation(node);
      const target = symbol && targetOf(symbol);
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

/** What the symbols refer to that no entry exports, and no report has yet. */
function unexported(symbols) {
  const found = [];
  const queue = [...symbols];
  for (const symbol of queue) {
    for (const reference of statementsOf(symbol).flatMap((statement) => [...referencesOf(statement)])) {
      if (exported.has(reference) || inner.has(reference)) continue;
      inner.add(reference);
      found.push([reference.name, reference]);
      queue.push(reference);
    }
  }
  return found.sort(byName);
}

const moduleOf = (entry) => checker.getSymbolAtLocation(program.getSourceFile(fileOf(entry)));

function noteExports(entry) {
  for (const [name, symbol] of exportsOf(moduleOf(entry))) {
    if (exported.has(symbol)) continue;
    exported.set(symbol, entry);
    const isDocumented = NEEDS_NO_DOCSTRING.test(name) || symbol.getDocumentationComment(checker).length > 0;
    if (!isDocumented) fail(`${name} of ${ENTRIES[entry]} has no docstring`);
    const other = entryOf.get(name);
    if (other) fail(`${name} is one thing in ${ENTRIES[other]} and another in ${ENTRIES[entry]}`);
    entryOf.set(name, entry);
  }
}

function reportOf(entry) {
  const all = exportsOf(moduleOf(entry)).sort(byName);
  const own = all.filter(([, symbol]) => exported.get(symbol) === entry);
  const rest = unexported(own.map(([, symbol]) => symbol));
  const code = (list) => {
    const text = list.flatMap(([name, symbol]) => {
      const namespace = name.includes('.') ? [`// ${name}`] : [];
      return [...namespace, ...statementsOf(symbol).map(textOf)];
    });
    return ['```ts', ...text, '```'];
  };
  return [
    `# ${ENTRIES[entry]}: ${checker.getExportsOfModule(moduleOf(entry)).length} names`,
    'Made by `npm run generate:api`.',
    ...Object.keys(ENTRIES).flatMap((from) => {
      const names = all.flatMap(([name, symbol]) => (exported.get(symbol) === from ? [`\`${name}\``] : []));
      return from !== entry && names.length > 0 ? [`## As ${ENTRIES[from]} exports them`, names.join(', ')] : [];
    }),
    '## Exported',
    code(own).join('\n'),
    ...(rest.length > 0 ? ['## Not exported, but part of the types above', code(rest).join('\n')] : []),
  ].join('\n\n');
}

function fail(message) {
  console.error(`api-report: ${message}`);
  process.exitCode = 1;
}

Object.keys(ENTRIES).forEach(noteExports);
await mkdir(reports, { recursive: true });
for (const entry of Object.keys(ENTRIES)) {
  const path = join(reports, `${entry}.api.md`);
  const report = await format(reportOf(entry), { ...(await resolveConfig(path)), filepath: path });
  const committed = await readFile(path, 'utf8').catch(() => '');
  if (report === committed) continue;
  if (values.write) await writeFile(path, report);
  else fail(`${path} differs from what is exported: npm run generate:api, and commit what is meant`);
}
