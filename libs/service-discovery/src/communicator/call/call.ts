import { type Cancellation, type Clock, type OutcomeClass, type Random, type TimerWheel } from '../../common/index.js';
import { type EventSink, type ServiceInstance } from '../../model/index.js';
import { classifyAbort, type RetryState } from '../../resilience/index.js';
import { type ServiceView } from '../channel/service-view.js';
import { type NearNames } from '../near-names.js';
import { type CallTimes } from '../options/index.js';
import { type PreparedRequest, type ServiceCallRequest, type ServiceCallResponse } from '../request.js';

/** Turns the response to a request into what the caller asked for; runs inside the attempt, so its failures and its time count. */
export type Consume<T> = (response: ServiceCallResponse, request: PreparedRequest) => Promise<T> | T;

/** What becomes of a response. */
export interface ResponseUse<T> {
  readonly consume: Consume<T>;
  /** What the request says that it accepts, where its caller does not say. */
  readonly accept?: string;
}

/** What all calls of one engine work with. */
export interface CallDependencies {
  readonly clock: Clock;
  /** For the limits of time of all calls. */
  readonly timers: TimerWheel;
  readonly random: Random;
  readonly events: EventSink;
  /** Aborts when no further attempt may be made. */
  readonly closing: AbortSignal;
  /** When whoever this process works for stops waiting, in milliseconds since the Unix epoch. */
  readonly ambientDeadline: (() => number | undefined) | undefined;
  readonly nearNames: NearNames;
}

/** An attempt that has ended. */
export interface AttemptEnd {
  readonly instance: ServiceInstance;
  /** For events: a status, an error's code. */
  readonly reason: string;
  /** Undefined where no response arrived. */
  readonly status: number | undefined;
  readonly verdict: OutcomeClass;
  /** Undefined where a response arrived. */
  readonly error: unknown;
}

/** Ends a call with all its attempts and waits: when its time is over, or when its caller wants no more. */
export interface CallScope extends Cancellation {
  /**
   * Milliseconds until its time is over, never below 0.
   * @param now `Clock.now()` @default it is asked
   */
  remainingMs(now?: number): number;
  /** Waits for its time where that is over no later than something else that ends the same work, by `Clock.now()`. */
  armBefore?(dueAt: number): void;
  /** Lets go of what it waits with; left out where it waits with nothing of its own. */
  dispose?(): void;
}

/** One call: what was asked for, and how far it has come. The stages do the work, and note down here what they did. */
export class Call<T> {
  /** By `Clock.now()`. */
  readonly began: number;
  attempts = 0;
  /** Of the attempt that began last. */
  picked: ServiceInstance | undefined = undefined;
  /** The attempt that ended last, of those that were not overtaken by another one. */
  last: AttemptEnd | undefined = undefined;
  /** Of the last response. */
  status: number | undefined = undefined;
  /** What went wrong where the caller is answered all the same. */
  concealed: unknown = undefined;
  /** Decides on retries; undefined until an attempt has failed. */
  retryState: RetryState | undefined = undefined;
  /** What others gave the call, in milliseconds since the Unix epoch; the deadline stage finds it. */
  givenDeadline = Number.POSITIVE_INFINITY;
  /** Of whoever waits for the call; the deadline stage sets it, and every stage inside of it has it. */
  scope!: CallScope;

  private triedIds: Set<string> | undefined = undefined;
  /** Those tried since every instance was; undefined while one is left. */
  private roundIds: Set<string> | undefined = undefined;

  constructor(
    /** The service as it is for those with the settings of this call. */
    readonly view: ServiceView,
    readonly request: ServiceCallRequest,
    readonly prepared: PreparedRequest,
    /** The settings' own, unless the request has others. */
    readonly times: CallTimes,
    readonly consume: Consume<T>,
    readonly deps: CallDependencies,
    /** Whether several callers wait for it: none of them is its caller then, and its scope is there from the start. */
    readonly shared = false,
    /** How long it has waited already for the service to be registered. */
    readonly waitedMs = 0,
  ) {
    this.began = deps.clock.now() - waitedMs;
  }

  get service(): string {
    return this.view.service;
  }

  /** Ids of the instances that were tried: put together for whoever asks, and undefined where nobody was, as in most calls. */
  idsTried(): ReadonlySet<string> | undefined {
    if (this.picked) {
      const { instanceId } = this.picked;
      (this.triedIds ??= new Set()).add(instanceId);
      this.roundIds?.add(instanceId);
    }
    return this.triedIds;
  }

  /** Ids of the instances that the next attempt goes to only if no other is left. */
  idsToPassOver(): ReadonlySet<string> | undefined {
    const tried = this.idsTried();
    return this.roundIds ?? tried;
  }

  /** Every instance was tried: from now on attempts go around once more, so that each instance gets as many. */
  startRound(): void {
    this.roundIds = new Set();
  }

  /** What ends the call for whoever makes it. */
  get caller(): Cancellation | AbortSignal | undefined {
    return this.request.cancellation ?? this.request.signal;
  }

  /** Whether nobody waits any more: then what ends an attempt says nothing about the instance. */
  get abandoned(): boolean {
    const { caller } = this;
    if (!caller?.aborted) return false;
    // Where the time of all who shared it ran out, the instance was too slow for them.
    return !this.shared || classifyAbort(caller.reason) === 'ignored';
  }

  /** The call with another use for the response, for a stage that makes the caller's own answer of it. */
  forUse<U>(consume: Consume<U>): Call<U> {
    return new Call(this.view, this.request, this.prepared, this.times, consume, this.deps);
  }

  /** What the last attempt says of the instance; `ignored` where there was none. */
  get verdict(): OutcomeClass {
    return this.last?.verdict ?? 'ignored';
  }

  /** Lets go of its limit of time, as it is over. */
  end(): void {
    // There is none yet where it ended before.
    (this.scope as CallScope | undefined)?.dispose?.();
  }

  note(end: AttemptEnd): void {
    this.last = end;
    this.status = end.status ?? this.status;
  }

  /** Takes over what was noted of a call that was made for this one. */
  adopt({ attempts, last, status, concealed }: Call<unknown>): void {
    this.attempts = attempts;
    this.last = last;
    this.status = status;
    this.concealed = concealed;
  }
}
