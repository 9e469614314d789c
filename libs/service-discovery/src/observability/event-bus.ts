import { Channel, onAbort, systemClock, type Clock } from '../common/index.js';
import {
  type EventName,
  type EventSink,
  type ServiceDiscoveryEvent,
  type ServiceDiscoveryEvents,
} from '../model/index.js';

/** The event of one type. */
export type EventOf<Name extends EventName> = Extract<ServiceDiscoveryEvent, { type: Name }>;

export interface EventBusDeps {
  /** @default the machine's clock */
  clock?: Clock;
  /** Told of what a listener threw. @default nobody: the error is dropped */
  onListenerError?: (error: unknown, event: ServiceDiscoveryEvent) => void;
}

export interface SubscribeOptions {
  /**
   * How many events may wait for the reader, 1 or more. While that many wait, newer ones are left out, so that a
   * reader that stalls holds a bounded amount of memory.
   * @default 1000
   */
  capacity?: number;
}

export const DEFAULT_SUBSCRIPTION_CAPACITY = 1_000;

interface Listener {
  readonly fn: (event: ServiceDiscoveryEvent) => void;
  active: boolean;
}

const NOBODY: readonly Listener[] = [];

/**
 * The one place where events pass. Listeners are called synchronously, those of a type before those of all types, each
 * in order of subscription. What a listener throws reaches neither the publisher nor the other listeners. An event that
 * is published from within a listener is delivered after the one being delivered, so that all see the same order.
 */
export class EventBus implements EventSink {
  private readonly clock: Clock;
  private readonly onListenerError: NonNullable<EventBusDeps['onListenerError']>;
  /** Lists are replaced, never changed, so that a delivery under way is not disturbed. */
  private readonly byType = new Map<EventName, readonly Listener[]>();
  private forAll: readonly Listener[] = [];
  /** What listeners published during a delivery. */
  private readonly waiting: ServiceDiscoveryEvent[] = [];
  private delivering = false;

  constructor(deps: EventBusDeps = {}) {
    this.clock = deps.clock ?? systemClock;
    this.onListenerError = deps.onListenerError ?? (() => undefined);
  }

  emit<Name extends EventName>(type: Name, payload: ServiceDiscoveryEvents[Name]): void {
    const listeners = this.of(type);
    if (listeners.length === 0 && this.forAll.length === 0) return;
    const event = stamp(payload, type, this.clock.epoch());
    if (this.delivering) {
      this.waiting.push(event);
      return;
    }
    this.delivering = true;
    try {
      this.deliver(event, listeners);
      // It grows while it is gone through.
      for (const next of this.waiting) this.deliver(next, this.of(next.type));
    } finally {
      if (this.waiting.length > 0) this.waiting.length = 0;
      this.delivering = false;
    }
  }

  /**
   * Calls `listener` at each event of one type.
   * @returns stops it; safe to call again
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
   * Calls `listener` at each event.
   * @returns stops it; safe to call again
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
   * The events from this call on, for one reader. Ends when `signal` aborts or the reader leaves its loop; one of the
   * two must happen, else the subscription stays.
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
    return this.byType.get(type) ?? NOBODY;
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
        // The promise that publishing never throws holds for whoever reports the fault as well.
      }
    }
  }
}

/** Makes a payload the event itself: a copy of it would cost more than all that listeners do at every call. */
function stamp(payload: object, type: EventName, at: number): ServiceDiscoveryEvent {
  // Whoever froze it holds it.
  const event = (Object.isExtensible(payload) ? payload : { ...payload }) as { type: EventName; at: number };
  event.type = type;
  event.at = at;
  // TypeScript does not see that a name and its payload make one member of the union.
  return event as unknown as ServiceDiscoveryEvent;
}
