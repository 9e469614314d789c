/** An async function that ends when it is told to. */
export class Held {
  /** How many calls of it are under way. */
  running = 0;
  private readonly calls: { resolve: (value: string) => void; reject: (error: unknown) => void }[] = [];

  /** Begins a call. */
  readonly fn = (): Promise<string> => {
    this.running++;
    return new Promise((resolve, reject) => this.calls.push({ resolve, reject }));
  };

  /** Ends all calls well. */
  succeed(): void {
    this.running = 0;
    for (const { resolve } of this.calls.splice(0)) resolve('up');
  }

  /** Ends all calls with an error. */
  fail(error: unknown = new Error('down')): void {
    this.running = 0;
    for (const { reject } of this.calls.splice(0)) reject(error);
  }
}

/** Marks a promise as one whose end the scenario does not look at. */
export function unwatched(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}
