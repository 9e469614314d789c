import { waitFor } from './wait.js';

/** One answer of the gateway, already parsed. */
export type Body = Readonly<Record<string, unknown>>;

export interface LoadOptions {
  readonly urls: readonly string[];
  /** Requests a second. @default 150 */
  readonly rate?: number;
  /** Says what is wrong with an answer of status 200; undefined: nothing. */
  readonly fault?: (body: Body) => string | undefined;
}

const TICK_MS = 10;
const TIMEOUT_MS = 10_000;

/**
 * Steady load, sent whether earlier requests were answered or not, as real callers do: a service that stalls faces all
 * that piles up meanwhile. Only GET, so that every failure counts against the library.
 */
export class Load {
  sent = 0;
  answered = 0;
  readonly failures: string[] = [];
  /** Good answers by the instance that gave them. */
  readonly servedBy = new Map<string, number>();

  private readonly latencies: number[] = [];
  private readonly pending = new Set<Promise<void>>();
  private readonly began = performance.now();
  private readonly ticker: NodeJS.Timeout;

  constructor(private readonly options: LoadOptions) {
    this.ticker = setInterval(() => {
      this.sendWhatIsDue();
    }, TICK_MS);
  }

  /** Waits until that many more requests were answered. */
  async more(count: number): Promise<void> {
    const target = this.answered + count;
    await waitFor(`${count} more answers`, () => (this.answered >= target ? true : undefined));
  }

  /** Sends no more, and waits for what is under way. */
  async stop(): Promise<void> {
    clearInterval(this.ticker);
    await Promise.all(this.pending);
  }

  /** In milliseconds. */
  percentile(share: number): number {
    const sorted = [...this.latencies].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  }

  private sendWhatIsDue(): void {
    const { rate = 150, urls } = this.options;
    const due = ((performance.now() - this.began) / 1_000) * rate;
    while (this.sent < due) {
      const url = urls[this.sent++ % urls.length];
      if (url === undefined) return;
      const request = this.send(url).finally(() => this.pending.delete(request));
      this.pending.add(request);
    }
  }

  private async send(url: string): Promise<void> {
    const began = performance.now();
    const failure = await this.fetchOnce(url).catch((error: unknown) => String(error));
    this.latencies.push(performance.now() - began);
    this.answered++;
    if (failure !== undefined) this.failures.push(`${new URL(url).pathname}: ${failure}`);
  }

  private async fetchOnce(url: string): Promise<string | undefined> {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    if (response.status !== 200) return `status ${response.status}: ${text.slice(0, 200)}`;
    const body = JSON.parse(text) as Body;
    const { servedBy } = body;
    if (typeof servedBy === 'string') this.servedBy.set(servedBy, (this.servedBy.get(servedBy) ?? 0) + 1);
    return this.options.fault?.(body);
  }
}
