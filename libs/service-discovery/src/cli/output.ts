import { styleText } from 'node:util';
import { oneLine } from '../common/index.js';

type Colour = 'green' | 'yellow' | 'red' | 'cyan' | 'dim' | 'bold';

const COLOUR_OF_STATUS: Readonly<Record<string, Colour>> = {
  healthy: 'green',
  closed: 'green',
  degraded: 'yellow',
  half_open: 'yellow',
  unknown: 'yellow',
  unhealthy: 'red',
  open: 'red',
  isolated: 'red',
  draining: 'cyan',
  maintenance: 'cyan',
};

/** What users type before the name of a command. */
export const COMMAND = 'npx nest-service-discovery';

/** Lines of a help, each of which can be typed as it is. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${COMMAND} ${line}\n`).join('')}`;
}

/** A cell of a table; undefined and null are shown as nothing. */
export type Cell = string | number | boolean | null | undefined;

/** Where a command prints its findings: tables and sentences for people, or JSON for programs. */
export class Output {
  private readonly colours: boolean;

  /** @param json undefined: people on a terminal, programs elsewhere */
  constructor(
    private readonly stream: NodeJS.WriteStream,
    json: boolean | undefined,
    env: NodeJS.ProcessEnv,
  ) {
    this.json = json ?? !stream.isTTY;
    this.colours = stream.isTTY && !env.NO_COLOR;
  }

  readonly json: boolean;

  /** Prints a value as JSON, or what `forPeople` prints. */
  show(value: unknown, forPeople: () => void): void {
    if (this.json) this.stream.write(`${JSON.stringify(value, null, 2)}\n`);
    else forPeople();
  }

  /** One JSON value a line, or a sentence. */
  event(value: unknown, text: string): void {
    this.stream.write(`${this.json ? JSON.stringify(value) : oneLine(text)}\n`);
  }

  line(text = ''): void {
    this.stream.write(`${text}\n`);
  }

  /** Columns as wide as their longest cell. Names come from other processes, so control characters are left out. */
  table(header: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const texts = rows.map((row) => row.map((cell) => oneLine(String(cell ?? ''))));
    const widths = header.map((title, column) => Math.max(title.length, ...texts.map((row) => row[column]!.length)));
    const print = (row: readonly string[], paint: (text: string, cell: string) => string): void =>
      this.line(
        row
          .map((cell, column) => paint(cell.padEnd(widths[column]!), cell))
          .join('  ')
          .trimEnd(),
      );
    print(header, (text) => this.paint('dim', text));
    for (const row of texts) print(row, (text, cell) => this.status(cell, text));
  }

  /** The text in the colour of a status; as it is where it is none. */
  status(status: string, text = status): string {
    const colour = COLOUR_OF_STATUS[status];
    return colour ? this.paint(colour, text) : text;
  }

  paint(colour: Colour, text: string): string {
    return this.colours ? styleText(colour, text, { validateStream: false }) : text;
  }
}
