/** How a retry is set, as far as all of them can be. */
export interface RetrySettings {
  readonly attempts: number;
  /** Share of the calls that may be retried, for those that can be told. */
  readonly budget?: number;
}

/** Retries of whatever fails, with the time that they go by. */
export interface RetryPart {
  /** What lies between two attempts; virtual, or real where it has to be. */
  readonly delayMs: number;
  call(fn: () => Promise<string>, signal?: AbortSignal): Promise<unknown>;
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

type MakeRetry = (settings: RetrySettings, pace: 'slow' | 'at_once') => Promise<RetryPart>;

/** A client of HTTP that retries, over real sockets. */
export interface HttpRetryPart {
  /** @returns the status of the last answer; an error is as good */
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

/** What a library retries with. */
export interface RetryParts {
  readonly retry?: MakeRetry;
  readonly http?: MakeHttpRetry;
}
