import { type InternalAxiosRequestConfig } from 'axios';

/** Both ways in which axios can be told to stop, as one signal. */
export interface Cancellation {
  readonly signal: AbortSignal;
  /** Stops listening to either. */
  dispose(): void;
}

/** The part of axios's cancel tokens that its types leave out. */
interface Subscribable {
  subscribe(listener: (reason: unknown) => void): void;
  unsubscribe(listener: (reason: unknown) => void): void;
}

/** Follows a request's `signal` and `cancelToken`; `HttpService` sets the latter for whoever unsubscribes. */
export function cancellationOf({ signal, cancelToken }: InternalAxiosRequestConfig): Cancellation {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const token = cancelToken as unknown as Subscribable | undefined;
  if (signal?.aborted) abort();
  signal?.addEventListener?.('abort', abort);
  token?.subscribe(abort);
  return {
    signal: controller.signal,
    dispose: () => {
      signal?.removeEventListener?.('abort', abort);
      token?.unsubscribe(abort);
    },
  };
}
