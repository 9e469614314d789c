import { type InternalAxiosRequestConfig } from 'axios';
import { CancelSource } from '../../common/index.js';

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
  private readonly given: InternalAxiosRequestConfig['signal'];

  constructor({ signal, cancelToken }: InternalAxiosRequestConfig) {
    super();
    this.given = signal;
    this.token = cancelToken;
    if (signal?.aborted) this.cancel();
    signal?.addEventListener?.('abort', this.cancel);
    this.token?.subscribe(this.cancel);
  }

  /** Stops listening to either. */
  dispose(): void {
    this.given?.removeEventListener?.('abort', this.cancel);
    this.token?.unsubscribe(this.cancel);
  }

  private readonly cancel = (): void => {
    this.abort(new DOMException('This operation was aborted', 'AbortError'));
  };
}
