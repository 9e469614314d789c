/** An async function that settles on command. */
export class Held {
  /** Number of calls in flight. */
  running = 0;
  private readonly calls: { resolve: (value: string) => void; reject: (error: unknown) => void }[] = [];

  /** Starts a call. */
  readonly fn = (): Promise<string> => {
    this.running++;
    return new Promise((resolve, reject) => this.calls.push({ resolve, reject }));
  };

  /** Resolves all calls. */
  succeed(): void {
    this.running = 0;
    for (const { resolve } of this.calls.splice(0)) resolve('up');
  }

  /** Rejects all calls. */
  fail(error: unknown = new Error('down')): void {
    this.running = 0;
    for (const { reject } of this.calls.splice(0)) reject(error);
  }
}

/** Marks a promise whose result the scenario ignores. */
export function unwatched(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}
