/**
 * Edits of an app's sources as text. A parser would have to be the TypeScript of the app, and TypeScript 7 has no stable
 * API to parse with.
 */

/** The source with comments and strings blanked: what is found in it is code, and stands at the same place in the source. */
function codeOf(source: string): string {
  return source.replace(/\/\/.*|\/\*[^]*?\*\/|(['"`])(?:\\[^]|(?!\1)[^\\])*\1/g, (text) => text.replace(/\S/g, ' '));
}

/** The code within the bracket at an index, with what nested brackets hold blanked. */
function within(code: string, open: number): string {
  let depth = 0;
  let shallow = '';
  for (const character of code.slice(open + 1)) {
    if (')]}'.includes(character) && --depth < 0) break;
    shallow += depth === 0 ? character : ' ';
    if ('([{'.includes(character)) depth++;
  }
  return shallow;
}

const insert = (source: string, at: number, text: string): string => source.slice(0, at) + text + source.slice(at);

/** The white space before the first character of the line that an index is in. */
const indentAt = (source: string, at: number): string =>
  /^[^\S\n]*/.exec(source.slice(source.lastIndexOf('\n', at - 1) + 1))![0];

/** Where `@Module(` and its `{` stand, before a class. */
function findModule(code: string, className: string): { at: number; open: number } | undefined {
  const end = code.search(new RegExp(`\\bclass\\s+${className}\\b`));
  const found = [...code.slice(0, Math.max(end, 0)).matchAll(/@Module\s*\(\s*\{/g)].at(-1);
  if (found === undefined) return undefined;
  const open = found.index + found[0].length - 1;
  return /\bclass\b/.test(code.slice(open, end)) ? undefined : { at: found.index, open };
}

/** Whether a pattern is found outside of comments and strings. */
export const hasCode = (source: string, pattern: RegExp): boolean => pattern.test(codeOf(source));

/** The first class with `@Module()`. */
export const moduleClassIn = (source: string): string | undefined =>
  /@Module\s*\([^]*?\bclass\s+(\w+)/.exec(codeOf(source))?.[1];

/** Puts a decorator above the `@Module()` of a class. @returns undefined if there is none with a literal object */
export function decorateModule(source: string, className: string, decorator: string): string | undefined {
  const at = findModule(codeOf(source), className)?.at;
  return at === undefined ? undefined : insert(source, at, `${decorator}\n${indentAt(source, at)}`);
}

/**
 * Adds expressions to the `imports` of the `@Module()` of a class.
 * @returns undefined if there is none with a literal object, or its imports are no literal list
 */
export function addToImports(source: string, className: string, added: readonly string[]): string | undefined {
  const code = codeOf(source);
  const module = findModule(code, className);
  if (module === undefined) return undefined;
  const properties = within(code, module.open);
  const list = /(?<![\w.])imports\s*:\s*\[/.exec(properties);
  if (list !== null) return addToList(source, module.open + list.index + list[0].length, added);
  if (/(?<![\w.])imports\b/.test(properties)) return undefined;
  const line = /^[^\S\n]*\n[^\S\n]*(?=\S)/.exec(properties)?.[0] ?? ' ';
  return addToImports(insert(source, module.open + 1, `${line}imports: [],`), className, added);
}

/** @param open index of the list's bracket */
function addToList(source: string, open: number, added: readonly string[]): string {
  const shallow = within(codeOf(source), open);
  const close = open + 1 + shallow.length;
  const outer = indentAt(source, open);
  const inner = `\n${outer}${outer || '  '}`;
  const lines = added.map((expression) => `${inner}${expression.replaceAll('\n', inner)},`).join('');
  if (shallow.includes('\n')) {
    // After comments behind the last element, which may lack its comma.
    const end = open + 1 + shallow.trimEnd().length;
    const comma = /[^,\s]\s*$/.test(shallow) ? ',' : '';
    return insert(insert(source, source.lastIndexOf('\n', close), lines), end, comma);
  }
  const elements = elementsOf(source.slice(open + 1, close), shallow).map((element) => `${inner}${element},`);
  return `${source.slice(0, open + 1)}${elements.join('')}${lines}\n${outer}${source.slice(close)}`;
}

function elementsOf(list: string, shallow: string): string[] {
  const commas = [...shallow.matchAll(/,/g)].map(({ index }) => index);
  return [-1, ...commas]
    .map((from, number) => list.slice(from + 1, commas[number]).trim())
    .filter((element) => element !== '');
}

/** Imports names, in the statement that imports from the same place if there is one. */
export function importNames(source: string, names: readonly string[], from: string): string {
  if (names.length === 0) return source;
  const statement = new RegExp(`^import\\s*\\{([^}]*)\\}\\s*from\\s*(['"])${from}\\2`, 'm').exec(source);
  if (statement !== null) {
    const present = statement[1]!.split(',').map((name) => name.trim());
    const all = [...new Set([...present, ...names])].filter((name) => name !== '');
    if (all.length === present.length) return source;
    return source.replace(statement[0], () => statementOf(all, from));
  }
  const code = codeOf(source);
  const last = [...source.matchAll(/^import\b[^;'"]*(['"])[^'"\n]+\1;?/gm)]
    .filter(({ index }) => code.startsWith('import', index))
    .at(-1);
  const added = `${statementOf(names, from)};`;
  return last === undefined ? `${added}\n${source}` : insert(source, last.index + last[0].length, `\n${added}`);
}

/** Formatted as Prettier does in an app of `nest new`. */
function statementOf(names: readonly string[], from: string): string {
  const line = `import { ${names.join(', ')} } from '${from}'`;
  return names.length < 2 || line.length < 80 ? line : `import {\n  ${names.join(',\n  ')},\n} from '${from}'`;
}

/** From where a name is imported. */
export const importedFrom = (source: string, name: string): string | undefined =>
  new RegExp(`^import\\s*\\{[^}]*\\b${name}\\b[^}]*\\}\\s*from\\s*['"]([^'"]+)`, 'm').exec(source)?.[1];

/** The root module of the app that a file creates with `app = await NestFactory.create(AppModule)`. */
export interface CreatedApp {
  readonly app: string;
  readonly rootModule: string;
  /** Where the statement starts and ends. */
  readonly start: number;
  readonly end: number;
}

export function findCreatedApp(source: string): CreatedApp | undefined {
  const code = codeOf(source);
  const found =
    /(\w+)(?:\s*:[\w\s.<>,|]+)?\s*=\s*await\s+NestFactory\s*\.\s*create\w*\s*(?:<[^()]*>)?\s*\(\s*(\w+)/.exec(code);
  if (found === null) return undefined;
  const open = found.index + found[0].lastIndexOf('(');
  const close = open + 1 + within(code, open).length;
  const end = code[close + 1] === ';' ? close + 2 : close + 1;
  return { app: found[1]!, rootModule: found[2]!, start: found.index, end };
}

/** Calls a method of the app once it is created. */
export const callOnApp = (source: string, { app, start, end }: CreatedApp, call: string): string =>
  insert(source, end, `\n${indentAt(source, start)}${app}.${call};`);
