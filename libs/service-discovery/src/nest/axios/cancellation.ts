import { type InternalAxiosRequestConfig } from 'axios';
import { CancelSource, onAbort } from '../../common/index.js';

/** The part of axios's cancel tokens that its types leave out. */
interface Subscribable {
  subscribe(listener: (reason: unknown) => void): void;
  unsubscribe(listener: (reason: unknown) => void): void;
}

/**
 * Both ways in which axios can be told to stop, as one: a request's `signal` and `cancelToken`. `HttpService` sets the
 * latter for whoever unsubscribes, so an `AbortController` for it would be one more for each request.
 */
export class RequestCancellation extends CancelSource {
  private readonly token: Subscribable | undefined;
  private readonly stopListening: () => void;

  constructor({ signal, cancelToken }: InternalAxiosRequestConfig) {
    super();
    this.token = cancelToken;
    if (signal?.aborted) this.cancel();
    this.stopListening = listenTo(signal, this.cancel);
    this.token?.subscribe(this.cancel);
  }

  /** Stops listening to either. */
  dispose(): void {
    this.stopListening();
    this.token?.unsubscribe(this.cancel);
  }

  private readonly cancel = (): void => {
    this.abort();
  };
}

/** Axios takes signals that are none of the platform's, too. */
function listenTo(signal: InternalAxiosRequestConfig['signal'], cancel: () => void): () => void {
  if (signal instanceof AbortSignal) return onAbort(signal, cancel);
  signal?.addEventListener?.('abort', cancel);
  return () => void signal?.removeEventListener?.('abort', cancel);
}
