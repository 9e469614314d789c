import { type ProblemList } from './problems.js';

/** The text of a file with its placeholders filled in, and where each of its characters stood before. */
export interface FilledText {
  readonly text: string;
  /** The offset in the original text. */
  originalOffset(offset: number): number;
}

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `${{ env "NAME" }}` of decK, with an optional filter such as `| toInt`; `${NAME}`, `${NAME:-default}` and `$NAME` of
 * envsubst, of names in capitals.
 */
const PLACEHOLDER =
  /\$\{\{\s*(?<call>.*?)\s*\}\}|\$\{(?<braced>[A-Z_][A-Z0-9_]*)(?::?-(?<otherwise>[^}\n]*))?\}|\$(?<bare>[A-Z_][A-Z0-9_]*)/g;
const ENV_CALL = /^env\s+(?:"([^"]+)"|'([^']+)')\s*(?:\|\s*(?:toInt|toFloat|toBool|trim|quote)\s*)?$/;
const IN_COMMENT = /(?:^|\n)[ \t]*#[^\n]*$/;

/**
 * Fills placeholders in before the text is parsed, as decK and envsubst do, so that a value may be a number or a list. A
 * variable of decK that is not set is a problem, as in decK. One of envsubst stays as it is, since `$` and a name may be
 * part of a regular expression or a script of a plugin.
 */
export function fillPlaceholders(text: string, env: Environment, file: string, problems: ProblemList): FilledText {
  const parts: string[] = [];
  /** Where text was put in: the end of it in the new text, and in the old one. */
  const shifts: { readonly end: number; readonly original: number }[] = [];
  let length = 0;
  let copied = 0;
  for (const match of text.matchAll(PLACEHOLDER)) {
    const lineStart = text.lastIndexOf('\n', match.index) + 1;
    if (IN_COMMENT.test(text.slice(lineStart, match.index))) continue;
    const value = valueOf(match, env, (message) => problems.addAt(file, text, match.index, message));
    if (value === undefined) continue;
    const before = text.slice(copied, match.index);
    parts.push(before, value);
    length += before.length + value.length;
    copied = match.index + match[0].length;
    shifts.push({ end: length, original: copied });
  }
  if (shifts.length === 0) return { text, originalOffset: (offset) => offset };
  parts.push(text.slice(copied));
  return {
    text: parts.join(''),
    originalOffset: (offset) => {
      const last = shifts[indexOfLast(shifts, offset)];
      return last === undefined ? offset : last.original + offset - last.end;
    },
  };
}

/** The last that ends at an offset or before it, by bisection: -1 if there is none. */
function indexOfLast(shifts: readonly { readonly end: number }[], offset: number): number {
  let [from, to] = [0, shifts.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (shifts[middle]!.end <= offset) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}

function valueOf(match: RegExpExecArray, env: Environment, report: (message: string) => void): string | undefined {
  const { call, braced, otherwise, bare } = match.groups!;
  if (call === undefined) return env[braced ?? bare!] ?? otherwise;
  const [, double, single] = ENV_CALL.exec(call) ?? [];
  const name = double ?? single;
  if (name === undefined) {
    report(`unknown placeholder ${match[0]}: expected \${{ env "NAME" }}`);
    return '';
  }
  const value = env[name];
  if (value === undefined) report(`the environment variable ${name} is not set`);
  return value ?? '';
}
