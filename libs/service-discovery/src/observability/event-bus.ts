import { Channel, onAbort, systemClock, type Clock } from '../common/index.js';
import {
  type EventIds,
  type EventName,
  type EventSink,
  type ServiceDiscoveryEvent,
  type ServiceDiscoveryEvents,
} from '../model/index.js';

/** The event of a given type. */
export type EventOf<Name extends EventName> = Extract<ServiceDiscoveryEvent, { type: Name }>;

export interface EventBusDeps {
  /** @default the system clock */
  clock?: Clock;
  /**
   * The ids of the request being handled, read at each event that has a listener; undefined: there is none.
   * @default none
   */
  ids?: () => EventIds | undefined;
  /** Called with the errors that listeners throw. @default none: they are dropped */
  onListenerError?: (error: unknown, event: ServiceDiscoveryEvent) => void;
}

/** Bounds of a subscription that reads events one by one. */
export interface SubscribeOptions {
  /**
   * How many events may be queued for the reader, 1 or more. While the queue is full, new events are dropped, so that a
   * stalled reader uses a bounded amount of memory.
   * @default 1000
   */
  capacity?: number;
}

export const DEFAULT_SUBSCRIPTION_CAPACITY = 1_000;

interface Listener {
  readonly fn: (event: ServiceDiscoveryEvent) => void;
  active: boolean;
}

const NO_LISTENERS: readonly Listener[] = [];

/**
 * Delivers all events. Listeners are called synchronously, those of one type before those of all types, each in order
 * of subscription. An error in a listener affects neither the publisher nor other listeners. An event published by a
 * listener is delivered after the current one, so all listeners see the same order.
 */
export class EventBus implements EventSink {
  private readonly clock: Clock;
  private readonly ids: EventBusDeps['ids'];
  private readonly onListenerError: NonNullable<EventBusDeps['onListenerError']>;
  /** Lists are replaced, not modified, so that a running delivery is not affected. */
  private readonly byType = new Map<EventName, readonly Listener[]>();
  private forAll: readonly Listener[] = [];
  /** Events that listeners published during a delivery. */
  private readonly waiting: ServiceDiscoveryEvent[] = [];
  private delivering = false;

  constructor(deps: EventBusDeps = {}) {
    this.clock = deps.clock ?? systemClock;
    this.ids = deps.ids;
    this.onListenerError = deps.onListenerError ?? (() => undefined);
  }

  emit<Name extends EventName>(type: Name, payload: ServiceDiscoveryEvents[Name] & EventIds): void {
    const listeners = this.of(type);
    if (listeners.length === 0 && this.forAll.length === 0) return;
    const event = stamp(payload, type, this.clock.epoch(), this.ids?.());
    if (this.delivering) {
      this.waiting.push(event);
      return;
    }
    this.delivering = true;
    try {
      this.deliver(event, listeners);
      // Listeners may append to it during the loop.
      for (const next of this.waiting) this.deliver(next, this.of(next.type));
    } finally {
      if (this.waiting.length > 0) this.waiting.length = 0;
      this.delivering = false;
    }
  }

  /**
   * Calls `listener` for each event of one type.
   * @returns removes the listener; safe to call again
   */
  on<Name extends EventName>(type: Name, listener: (event: EventOf<Name>) => void): () => void {
    const entry: Listener = { fn: listener as (event: ServiceDiscoveryEvent) => void, active: true };
    this.byType.set(type, [...this.of(type), entry]);
    return () => {
      if (!entry.active) return;
      entry.active = false;
      const rest = this.of(type).filter((other) => other !== entry);
      if (rest.length > 0) this.byType.set(type, rest);
      else this.byType.delete(type);
    };
  }

  /**
   * Calls `listener` for each event.
   * @returns removes the listener; safe to call again
   */
  onAny(listener: (event: ServiceDiscoveryEvent) => void): () => void {
    const entry: Listener = { fn: listener, active: true };
    this.forAll = [...this.forAll, entry];
    return () => {
      entry.active = false;
      this.forAll = this.forAll.filter((other) => other !== entry);
    };
  }

  /**
   * The events from this call on, for one reader. Ends when `signal` aborts or the reader leaves its loop. One of the
   * two has to happen, otherwise the subscription stays.
   */
  subscribe(signal?: AbortSignal, options: SubscribeOptions = {}): AsyncIterableIterator<ServiceDiscoveryEvent> {
    const capacity = options.capacity ?? DEFAULT_SUBSCRIPTION_CAPACITY;
    let stopWaiting: (() => void) | undefined;
    const channel = new Channel<ServiceDiscoveryEvent>(() => {
      stop();
      stopWaiting?.();
    });
    const stop = this.onAny((event) => {
      if (channel.size < capacity) channel.push(event);
    });
    if (signal?.aborted) channel.close();
    else if (signal) stopWaiting = onAbort(signal, () => channel.close());
    return channel;
  }

  private of(type: EventName): readonly Listener[] {
    return this.byType.get(type) ?? NO_LISTENERS;
  }

  private deliver(event: ServiceDiscoveryEvent, listeners: readonly Listener[]): void {
    for (const listener of listeners) this.call(listener, event);
    for (const listener of this.forAll) this.call(listener, event);
  }

  private call(listener: Listener, event: ServiceDiscoveryEvent): void {
    if (!listener.active) return;
    try {
      listener.fn(event);
    } catch (error) {
      try {
        this.onListenerError(error, event);
      } catch {
        // `emit` never throws, not even for an error in the error handler.
      }
    }
  }
}

/** Turns the payload itself into the event: copying it would cost more than all listeners at every call. */
function stamp(payload: object, type: EventName, at: number, ids: EventIds | undefined): ServiceDiscoveryEvent {
  // A frozen payload is copied.
  const event = (Object.isExtensible(payload) ? payload : { ...payload }) as { type: EventName; at: number } & EventIds;
  event.type = type;
  event.at = at;
  if (ids) {
    if (ids.requestId !== undefined) event.requestId = ids.requestId;
    // That of a span of the call is set already.
    if (ids.traceId !== undefined) event.traceId ??= ids.traceId;
  }
  // TypeScript cannot tell that a name and its payload form a member of the union.
  return event as unknown as ServiceDiscoveryEvent;
}
