import { type Clock, type OutcomeClass, type Random } from '../../common/index.js';
import { type EventSink, type ServiceInstance } from '../../model/index.js';
import { type CancelScope, type RetryState } from '../../resilience/index.js';
import { type Transport } from '../../transport/index.js';
import { type CallSettings, type CallTimes } from '../options.js';
import { type PreparedRequest, type ServiceCallRequest, type ServiceCallResponse } from '../request.js';
import { type ServiceChannel } from '../service-channel.js';

/** Turns a response into what the caller asked for; runs inside the attempt, so its failures and its time count. */
export type Consume<T> = (response: ServiceCallResponse) => Promise<T> | T;

/** What all calls of one engine work with. */
export interface CallDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventSink;
  readonly transport: Transport;
  /** Aborts when no further attempt may be made. */
  readonly closing: AbortSignal;
  /** When whoever this process works for stops waiting, in milliseconds since the Unix epoch. */
  readonly ambientDeadline: (() => number | undefined) | undefined;
}

/** How an attempt ended: with an answer, or in a way that may be followed by another one. */
export interface AttemptEnd {
  readonly instance: ServiceInstance;
  /** For events: a status, an error's code. */
  readonly reason: string;
  /** Undefined where a response arrived. */
  readonly error?: unknown;
}

/** One call: what was asked for, and how far it has come. The stages do the work, and note down here what they did. */
export class Call<T> {
  /** Ids of the instances that were tried. */
  readonly tried = new Set<string>();
  attempts = 0;
  /** Of the attempt that ended last. */
  last: AttemptEnd | undefined = undefined;
  /** Of the last response. */
  status: number | undefined = undefined;
  verdict: OutcomeClass = 'ignored';
  /** Decides on retries; undefined until an attempt has failed. */
  retryState: RetryState | undefined = undefined;
  /** The limit of time of all attempts and waits. The deadline stage sets it, and every stage inside of it has it. */
  scope!: CancelScope;

  constructor(
    readonly service: string,
    readonly channel: ServiceChannel,
    readonly request: ServiceCallRequest,
    readonly prepared: PreparedRequest,
    readonly settings: CallSettings,
    /** The settings' own, unless the request has others. */
    readonly times: CallTimes,
    readonly consume: Consume<T>,
    readonly deps: CallDependencies,
  ) {}
}
