import { type EventSink, type ServiceInstance } from '../model/index.js';

/** What is known of a call when its span begins. */
export interface TracedCall {
  readonly service: string;
  readonly method: string;
  /** The path with its parameters as names, such as `/users/:id`, if it is known. */
  readonly template: string | undefined;
  /** When the call began, in milliseconds since the Unix epoch; undefined: now. */
  readonly startedAt: number | undefined;
  /** The headers of the request under way that are passed on; they may name the parent of the span. */
  readonly carried: Readonly<Record<string, string>> | undefined;
  /** Where the events of the call go. */
  readonly events: EventSink;
}

/** One attempt: to which instance, and why there. */
export interface TracedAttempt {
  readonly instance: ServiceInstance;
  /** The name of the load balancing strategy. */
  readonly strategy: string;
  /** Whether the instance is unhealthy and was picked because no other one can take the call. */
  readonly failOpen: boolean;
  /** The number of the attempt within its call, from 1. */
  readonly attempt: number;
  /** Whether it runs alongside another one. */
  readonly isHedge: boolean;
  /** Of the request, without the query. */
  readonly path: string;
}

/** How an attempt ended: with a status, an error, or both if the body broke off. */
export interface AttemptOutcome {
  readonly status: number | undefined;
  readonly error: unknown;
}

/** The span of an attempt. */
export interface AttemptSpan {
  /** Adds the headers that make the span the parent of what the instance does for it. Names are lower-case. */
  inject(headers: Record<string, unknown>): void;
  /** Runs what sends the request, so that instrumentation of the HTTP client makes no second span for it. */
  send<T>(send: () => T): T;
  end(outcome: AttemptOutcome): void;
}

/** The span of a call. It passes on the events of the call, with the ids of the trace, and ends at `call.completed`. */
export interface CallSpan extends EventSink {
  startAttempt(attempt: TracedAttempt): AttemptSpan;
}

/**
 * Makes spans of calls. Called by each call of a communicator; the methods never throw.
 * {@link OpenTelemetryTracer} is one for `@opentelemetry/api`.
 */
export interface CallTracer {
  /** @returns undefined if the call is not traced, which then costs nothing more */
  startCall(call: TracedCall): CallSpan | undefined;
  /**
   * Runs a call with a fallback, whose calls to either service become children of one span.
   * @param run makes the calls, and reports to the given events
   */
  withFallback<T>(service: string, events: EventSink, run: (events: EventSink) => Promise<T>): Promise<T>;
}
