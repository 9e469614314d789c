/** Settings that all retries share. */
export interface RetrySettings {
  readonly attempts: number;
  /** Share of calls that may be retried, for libraries with a budget. */
  readonly budget?: number;
}

/** Retries of a function, with their clock. */
export interface RetryPart {
  /** The delay between attempts; virtual, or real if it cannot be mocked. */
  readonly delayMs: number;
  call(fn: () => Promise<string>, signal?: AbortSignal): Promise<unknown>;
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

type MakeRetry = (settings: RetrySettings, pace: 'slow' | 'at_once') => Promise<RetryPart>;

/** An HTTP client with retries, over real sockets. */
export interface HttpRetryPart {
  /** @returns the status of the last response; throwing is fine too */
  send(request: HttpRetryRequest): Promise<number>;
  close(): Promise<void>;
}

interface HttpRetryRequest {
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  /** Yields once. */
  readonly body?: NodeJS.ReadableStream;
}

type MakeHttpRetry = (origin: string) => Promise<HttpRetryPart>;

/** The retries of a library. */
export interface RetryParts {
  readonly retry?: MakeRetry;
  readonly http?: MakeHttpRetry;
}
