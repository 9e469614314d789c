import { ServiceDiscoveryError } from '../common/index.js';

/** Where something stands in a file. Lines and columns count from 1. */
export interface KongPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a file, and where. */
export interface KongProblem extends KongPlace {
  readonly message: string;
}

/** Thrown once for all that is wrong: the message lists it as `file:line:column: …`, `problems` has it for programs. */
export class KongImportError extends ServiceDiscoveryError {
  constructor(readonly problems: readonly KongProblem[]) {
    super(
      'INVALID_CONFIGURATION',
      `The configuration of Kong cannot be imported:\n${problems.map((problem) => `  ${lineOf(problem)}`).join('\n')}`,
    );
  }
}

/** `kong.yaml:3:5`. */
export function textOfPlace({ file, line, column }: KongPlace): string {
  return `${file}:${line}:${column}`;
}

function lineOf(problem: KongProblem): string {
  return `${textOfPlace(problem)}: ${problem.message}`;
}

/** Collects problems, each once. */
export class ProblemList {
  private readonly found = new Map<string, KongProblem>();

  add({ file, line, column }: KongPlace, message: string): void {
    const problem = { file, line, column, message };
    this.found.set(lineOf(problem), problem);
  }

  addAt(file: string, text: string, offset: number, message: string): void {
    this.add(placeAt(file, text, offset), message);
  }

  /** @throws KongImportError */
  throwIfAny(): void {
    if (this.found.size === 0) return;
    const problems = [...this.found.values()];
    const files = [...new Set(problems.map(({ file }) => file))];
    throw new KongImportError(
      problems.toSorted(
        (one, other) =>
          files.indexOf(one.file) - files.indexOf(other.file) || one.line - other.line || one.column - other.column,
      ),
    );
  }
}

function placeAt(file: string, text: string, offset: number): KongPlace {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { file, line: before.split('\n').length, column: offset - lineStart + 1 };
}
