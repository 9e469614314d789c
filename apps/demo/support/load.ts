import { waitFor } from './wait.js';

/** One answer of the gateway, already parsed. */
export type Body = Readonly<Record<string, unknown>>;

/** One kind of request in a load. */
export interface LoadRequest {
  /** Name in error reports. */
  readonly name: string;
  /**
   * @param count how many were sent before it
   * @throws if it fails
   */
  send(count: number): Promise<Body>;
}

export interface LoadOptions {
  /** Round robin. */
  readonly requests: readonly LoadRequest[];
  /** Requests a second. */
  readonly rate: number;
  /** What is wrong with an answer; undefined: nothing. */
  readonly fault?: (body: Body) => string | undefined;
}

const TICK_MS = 10;
/** How far the answers may lag behind the load. */
const PATIENCE_MS = 60_000;
const TIMEOUT_MS = 10_000;

/**
 * Steady load, sent regardless of earlier answers, like real callers: a stalled service faces everything that queues
 * up. Every failure counts against the library.
 */
export class Load {
  sent = 0;
  answered = 0;
  readonly failures: string[] = [];
  /** Good answers by instance. */
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

  /** Waits for that many more answers. */
  async more(count: number): Promise<void> {
    const target = this.answered + count;
    const boundMs = (count / this.options.rate) * 1_000 + PATIENCE_MS;
    await waitFor(`${count} more answers`, () => (this.answered >= target ? true : undefined), boundMs);
  }

  /** Stops sending, and waits for requests in flight. */
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
    const { rate, requests } = this.options;
    const due = ((performance.now() - this.began) / 1_000) * rate;
    while (this.sent < due) {
      const request = requests[this.sent % requests.length];
      if (!request) return;
      const sending = this.send(request, this.sent++).finally(() => this.pending.delete(sending));
      this.pending.add(sending);
    }
  }

  private async send(request: LoadRequest, count: number): Promise<void> {
    const began = performance.now();
    const failure = await this.ask(request, count).catch((error: unknown) => String(error));
    this.latencies.push(performance.now() - began);
    this.answered++;
    if (failure !== undefined) this.failures.push(`${request.name}: ${failure}`);
  }

  private async ask(request: LoadRequest, count: number): Promise<string | undefined> {
    const body = await request.send(count);
    const { servedBy } = body;
    if (typeof servedBy === 'string') this.servedBy.set(servedBy, (this.servedBy.get(servedBy) ?? 0) + 1);
    return this.options.fault?.(body);
  }
}

/** A GET of a URL; any status but 200 is a failure. */
export function get(url: string): LoadRequest {
  const send = async (): Promise<Body> => {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`status ${response.status}: ${text.slice(0, 200)}`);
    return JSON.parse(text) as Body;
  };
  return { name: new URL(url).pathname, send };
}
