import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

const WIDTH = 78;
const SHOWN_FAULTS = 3;

/** Output for the audience: in colour on a terminal, plain if piped or if NO_COLOR is set. */
export class Printer {
  private closed = false;

  constructor(
    private readonly colours: boolean = process.stdout.isTTY && !process.env.NO_COLOR,
    private readonly output: (line: string) => void = (line) => {
      console.log(line);
    },
  ) {}

  /** Suppresses further output, since messages of exiting processes are not part of the demo. */
  close(): void {
    this.closed = true;
  }

  act(number: number, title: string): void {
    const head = `── ${number}. ${title} `;
    this.write('');
    this.write(this.paint(['bold', 'cyan'], head.padEnd(WIDTH, '─')));
  }

  say(text: string): void {
    this.write(`  ${text}`);
  }

  /** The first few failures. */
  faults(all: readonly string[]): void {
    for (const fault of all.slice(0, SHOWN_FAULTS)) this.say(`  ${fault}`);
  }

  /** A request and its answer. */
  exchange(request: string, answer: unknown): void {
    this.write(`  ${this.paint('dim', '$')} ${request}`);
    const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
    for (const line of wrap(text, WIDTH - 4)) this.write(`    ${this.paint('dim', line)}`);
  }

  /** One bar per name, as long as its share. */
  bars(counts: ReadonlyMap<string, number>): void {
    const most = Math.max(1, ...counts.values());
    for (const [name, count] of [...counts].sort(([a], [b]) => a.localeCompare(b))) {
      const bar = '█'.repeat(Math.round((count / most) * 30));
      this.write(`    ${name.padEnd(18)} ${this.paint('cyan', bar.padEnd(30))} ${count}`);
    }
  }

  claim(text: string, holds: boolean, detail: string): void {
    const mark = holds ? this.paint('green', '✓') : this.paint('red', '✗');
    this.write(`  ${mark} ${text}${detail === '' ? '' : this.paint('dim', ` (${detail})`)}`);
  }

  summary(text: string, good: boolean): void {
    this.write('');
    this.write(this.paint(['bold', good ? 'green' : 'red'], text));
  }

  private write(line: string): void {
    if (!this.closed) this.output(line);
  }

  private paint(style: Style, text: string): string {
    // Colours are decided here, including for piped output, so the stream is not consulted again.
    return this.colours ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** Lines of at most `width` characters, broken after a comma if possible. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const comma = rest.lastIndexOf(',', width - 1);
    const end = comma > 0 ? comma + 1 : width;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return [...lines, rest];
}
