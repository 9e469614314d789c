import { type Printer } from './print.js';

/** Claims of the demo about the library, checked as it runs. */
export class Claims {
  private held = 0;
  private readonly broken: string[] = [];

  constructor(private readonly print: Printer) {}

  check(text: string, holds: boolean, detail = ''): void {
    if (holds) this.held++;
    else this.broken.push(text);
    this.print.claim(text, holds, detail);
  }

  /** Prints the verdict. */
  summary(seconds: number): void {
    const took = `${seconds.toFixed(1)} s`;
    if (this.broken.length === 0 && this.held > 0) this.print.summary(`${this.held} claims hold (${took})`, true);
    else
      this.print.summary(
        `${this.held} claims hold, ${this.broken.length} do not (${took}): ${this.broken.join('; ')}`,
        false,
      );
  }

  /** 0 if there were claims and every one held; else 1. */
  get exitCode(): 0 | 1 {
    return this.broken.length === 0 && this.held > 0 ? 0 : 1;
  }
}
