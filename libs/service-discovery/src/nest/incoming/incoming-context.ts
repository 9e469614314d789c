import { AsyncLocalStorage } from 'node:async_hooks';
import { type EventIds } from '../../model/index.js';
import { type PassedOn } from './passed-on.js';

/**
 * What a request carries to the work that answers it: one small object for each request that carries anything, so that the
 * context is entered once, whatever a request carries. A field is undefined if the request did not carry it.
 */
export interface IncomingContext {
  /** Milliseconds since the epoch. */
  readonly deadline: number | undefined;
  readonly passedOn: PassedOn | undefined;
}

const contexts = new AsyncLocalStorage<IncomingContext>();
/** Whether anything in this process uses the context. */
let isWanted = false;

/**
 * Enables the context for all further requests. It is off by default: before Node 24, the first use of `AsyncLocalStorage`
 * makes every promise of the process slower, and a service that calls no other service does not need it.
 */
export function wantIncoming(): void {
  isWanted = true;
}

/** Whether requests enter a context; if not, their headers need not be read. */
export function isIncomingWanted(): boolean {
  return isWanted;
}

/** Runs `fn` with a current context, which holds across everything that it awaits. */
export function runIncoming<T>(context: IncomingContext, fn: () => T): T {
  return contexts.run(context, fn);
}

/**
 * The deadline of the request being handled, in milliseconds since the epoch: when its sender stops waiting. Calls to
 * other services end by then, too. Undefined outside of a request, or if it carried no deadline. If nothing in the app
 * injects `ServiceCommunicator`, a typed client or `HttpService`, deadlines are recorded only after the first call of this
 * function.
 */
export function currentDeadline(): number | undefined {
  wantIncoming();
  return contexts.getStore()?.deadline;
}

/**
 * The id of the request being handled, for log lines of the app. Undefined outside of a request, or if it has none: see the
 * option `requestId`. As with {@link currentDeadline}, an app that makes no calls records ids only after the first call of
 * this function.
 */
export function currentRequestId(): string | undefined {
  wantIncoming();
  return contexts.getStore()?.passedOn?.ids.requestId;
}

/** The headers that calls made for the request being handled pass on. */
export function currentHeaders(): Readonly<Record<string, string>> | undefined {
  wantIncoming();
  return contexts.getStore()?.passedOn?.headers;
}

/** The ids of the request being handled. */
export function currentIds(): EventIds | undefined {
  return contexts.getStore()?.passedOn?.ids;
}
