import { type InternalAxiosRequestConfig } from 'axios';
import { CancelSource, onAbort } from '../../common/index.js';

/** The part of axios's cancel tokens that its types leave out. */
interface Subscribable {
  subscribe(listener: (reason: unknown) => void): void;
  unsubscribe(listener: (reason: unknown) => void): void;
}

/**
 * Combines both ways to cancel an axios request, `signal` and `cancelToken`. `HttpService` sets a cancel token to
 * cancel on unsubscribe; converting it to an `AbortController` would cost one per request.
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

/** Axios also accepts signals that are not the platform's. */
function listenTo(signal: InternalAxiosRequestConfig['signal'], cancel: () => void): () => void {
  if (signal instanceof AbortSignal) return onAbort(signal, cancel);
  signal?.addEventListener?.('abort', cancel);
  return () => void signal?.removeEventListener?.('abort', cancel);
}
