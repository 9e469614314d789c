import { type Clock, type Random, ServiceDiscoveryError, type TimerWheel } from '../../common/index.js';
import { type EventSink, type ServiceInstance } from '../../model/index.js';
import { type CallTracer } from '../call-tracer.js';

/** Collaborators shared by all calls of one engine. */
export interface CallDependencies {
  readonly clock: Clock;
  /** Drives the time limits of all calls. */
  readonly timers: TimerWheel;
  readonly random: Random;
  readonly events: EventSink;
  /** Aborts when no further attempt may be made. */
  readonly closing: AbortSignal;
  /** The deadline of the work that this process is handling, in milliseconds since the Unix epoch. */
  readonly ambientDeadline: (() => number | undefined) | undefined;
  readonly deadlineKey: string | undefined;
  /** The headers of the work that this process is handling which calls pass on. */
  readonly ambientHeaders: (() => Readonly<Record<string, string>> | undefined) | undefined;
  readonly tracer: CallTracer | undefined;
  /** What the error of an unknown service says after its name. */
  readonly suggestName: (name: string) => string;
  /** Why the address of an instance may lead elsewhere; undefined: nothing suggests so. */
  readonly addressDoubt: ((instance: ServiceInstance) => string | undefined) | undefined;
}

/** The error of a call that is ended by shutdown. */
export function closedError(service: string, cause?: unknown): ServiceDiscoveryError {
  const message = `The call to "${service}" ended with the application, which shuts down. Make no calls after that`;
  return new ServiceDiscoveryError('ABORTED', message, { service, cause });
}
