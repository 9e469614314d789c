import {
  detached,
  messageOf,
  onAbort,
  reconnectDelay,
  settlesWithin,
  sleep,
  type Clock,
  type Random,
} from '../../common/index.js';
import {
  applyChange,
  EMPTY_SNAPSHOT,
  findInstance,
  type Change,
  type EventSink,
  type InstanceKey,
  type RegistrySnapshot,
  type ServiceInstance,
  type WatchScope,
} from '../../model/index.js';
import { holdsWithin, type RegistryStore, type ResetChange, splitsWithin } from '../../store/index.js';
import { RestartGrace } from './restart-grace.js';
import { FollowedServices } from './followed-services.js';
import { SnapshotWaiters, StoreWatch } from './store-watch.js';

/** The delay after a lost watch. */
const BACKOFF = { firstMs: 100, longestMs: 5_000 };

/** Hears what a feed reports, in order; must not throw. */
export interface FeedListener {
  /** A change exactly as the store sent it; the snapshot may hold more instances: see {@link RestartGrace}. */
  received?(change: Change): void;
  /** Called after every `received`. @param change null if only the connection state changed */
  changed?(snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null): void;
  /** The store takes writes again after it refused them. */
  writesTaken?(): void;
}

/** Pending local writes, shown to readers in place of what the store shows. */
export interface SnapshotOverlay {
  /** How many instances it covers. */
  readonly size: number;
  /** @param stored what the store shows; undefined if nothing */
  show(key: InstanceKey, stored: ServiceInstance | undefined): ServiceInstance | undefined;
  /**
   * A change of the store as readers see it; null if they see none.
   * @param stored the snapshot without the overlay, after the change
   * @param shown the snapshot that readers have seen so far
   */
  over(change: Change, stored: RegistrySnapshot, shown: RegistrySnapshot): Change | null;
}

export interface SnapshotFeedDeps {
  clock: Clock;
  random: Random;
  /** Receives the outages of the store, and their ends. */
  events: EventSink;
  /** Whether to receive heartbeats. */
  renewals: boolean;
  /** Whether to watch everything, or only the services passed to {@link SnapshotFeed.follow}. */
  follow: 'all' | 'used';
  /** Whether a service has to be followed even while it has no instances. @default no */
  isNeeded?: (serviceName: string) => boolean;
}

const NO_OVERLAY: SnapshotOverlay = { size: 0, show: (_key, stored) => stored, over: (change) => change };

/**
 * Mirrors a store. A lost watch is opened again with a jittered backoff of 0.1 to 5 s, and the last snapshot stays in
 * use until then. If the store comes back without its data, instances get time to register again before they are
 * dropped: see {@link RestartGrace}.
 */
export class SnapshotFeed {
  /** As the store shows it. */
  private stored: RegistrySnapshot;
  /** `stored` with the overlay applied. */
  private current: RegistrySnapshot;
  private readonly closing = new AbortController();
  private readonly firstReset: Promise<void>;
  private announceFirstReset: () => void = () => undefined;
  private running: Promise<void> | undefined;
  private readonly followed: FollowedServices | undefined;
  /** The watch that the snapshot follows. */
  private active: StoreWatch | undefined;
  /** A watch with a wider scope. It replaces the active one at its reset. */
  private successor: StoreWatch | undefined;
  private connectedAt = 0;
  private downSince: number | undefined;
  private failure: string | undefined;
  private refusedSince: number | undefined;
  private stopHearingOfRefusals: (() => void) | undefined;
  private readonly grace: RestartGrace;
  private readonly listeners: FeedListener[] = [];
  private readonly waiters = new SnapshotWaiters();
  private overlay = NO_OVERLAY;

  constructor(
    private readonly store: RegistryStore,
    private readonly deps: SnapshotFeedDeps,
  ) {
    this.followed = deps.follow === 'used' ? new FollowedServices(deps.isNeeded) : undefined;
    this.stored = { ...EMPTY_SNAPSHOT, asOf: deps.clock.now(), scope: this.followed && new Set() };
    this.current = this.stored;
    this.grace = new RestartGrace(deps.clock, (forgotten) => this.drop(forgotten));
    this.firstReset = new Promise((resolve) => (this.announceFirstReset = resolve));
  }

  get snapshot(): RegistrySnapshot {
    return this.current;
  }

  /** Listeners are called in the order in which they were added. */
  listen(listener: FeedListener): void {
    this.listeners.push(listener);
  }

  /** Has readers see the store through an overlay from now on. */
  showThrough(overlay: SnapshotOverlay): void {
    this.overlay = overlay;
  }

  /** Whether the store is being watched and, as far as is known, takes writes. */
  get isTakingWrites(): boolean {
    return this.current.connected && this.current.writeRefusal === undefined;
  }

  /** Why the watch failed the last time; undefined if it has not failed since the store last answered. */
  get lastFailure(): string | undefined {
    return this.failure;
  }

  /** The instance as readers see it. */
  shown(key: InstanceKey): ServiceInstance | undefined {
    return findInstance(this.current, key);
  }

  /** The instance as the store shows it, without the overlay. */
  storedInstance(key: InstanceKey): ServiceInstance | undefined {
    return findInstance(this.stored, key);
  }

  /** Whether the store lost an instance that is still shown, so that it may be registered again. */
  isForgotten(key: InstanceKey): boolean {
    return this.grace.has(key);
  }

  /** Shows the overlay's current state of an instance. */
  refresh(key: InstanceKey): void {
    this.showLocally(key, this.overlay.show(key, this.storedInstance(key)));
  }

  /** Shows an instance, or none, under a key until the store sends a change of it. */
  showLocally({ serviceName, instanceId }: InstanceKey, instance: ServiceInstance | undefined): void {
    const previous = this.current;
    const { revision, ready, connected, asOf } = previous;
    const key = { serviceName, instanceId };
    if (findInstance(previous, key) === instance) return;
    const change: Change = instance
      ? { type: 'put', revision, instance }
      : { type: 'remove', revision, key, reason: 'deregistered' };
    this.current = { ...applyChange(previous, change, asOf), ready, connected };
    this.announce(previous, change);
  }

  /**
   * Resolves when `holds` is true after a change of the instance, after `patienceMs`, or at once while disconnected
   * from the store.
   */
  async until(key: InstanceKey, holds: () => boolean, patienceMs: number): Promise<void> {
    const isOver = (): boolean => holds() || !this.current.connected;
    if (isOver()) return;
    let stop: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      stop = this.waiters.add(key, () => {
        if (isOver()) resolve();
      });
    });
    await settlesWithin(this.deps.clock, patienceMs, over);
    stop();
  }

  /** How long the snapshot has not been confirmed: 0 while connected; before the first reset, the age of the feed. */
  ageMs(): number {
    return this.current.connected ? 0 : this.deps.clock.now() - this.current.asOf;
  }

  /** Starts to watch. Resolves at the first reset, or after `timeoutMs` while it goes on trying. */
  async start(timeoutMs: number): Promise<void> {
    this.running ??= this.run(this.closing.signal);
    this.stopHearingOfRefusals ??= this.store.onWritesRefused?.((refusal) => this.noteRefusal(refusal));
    if (this.current.ready || this.closing.signal.aborted) return;
    await settlesWithin(this.deps.clock, timeoutMs, Promise.race([this.firstReset, this.running]));
  }

  /** Ends the watch. The snapshot stays readable but is no longer connected. */
  async close(): Promise<void> {
    this.closing.abort();
    this.stopHearingOfRefusals?.();
    this.grace.clear();
    await this.running;
  }

  /** Adds a service to the watch if that does not cover everything. The other services see no gap. */
  follow(serviceName: string): void {
    if (this.followed?.add(serviceName, this.current)) this.widen();
  }

  private async run(signal: AbortSignal): Promise<void> {
    let losses = 0;
    while (!signal.aborted) {
      const error = await this.readToEnd(signal);
      const heldMs = this.current.connected ? this.deps.clock.now() - this.connectedAt : 0;
      this.disconnect();
      if (signal.aborted) return;
      this.failure = messageOf(error);
      this.reportLoss(error);
      // Only a watch that lasted resets the backoff, so that a store that answers and fails at once is not hammered.
      losses = heldMs >= BACKOFF.longestMs ? 1 : losses + 1;
      await this.pause(reconnectDelay(losses, BACKOFF, this.deps.random), signal);
    }
  }

  /** Waits before the next attempt, or until the store reports that it can be reached. Never rejects. */
  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    const stops = [onAbort(signal, end), this.store.onReachable?.(end)];
    if (signal.aborted) end();
    await sleep(this.deps.clock, ms, over.signal, { keepAlive: false }).catch(() => undefined);
    for (const stop of stops) stop?.();
  }

  /** Reads watches until one fails; a wider watch takes over from the active one. */
  private async readToEnd(signal: AbortSignal): Promise<unknown> {
    this.active = this.openWatch(signal);
    for (;;) {
      const watch: StoreWatch = this.active;
      const error = await watch.ended;
      if (watch !== this.active) continue;
      this.active = undefined;
      this.successor?.stop();
      this.successor = undefined;
      return error;
    }
  }

  private openWatch(signal: AbortSignal): StoreWatch {
    const scope: WatchScope = { services: this.followed?.names, renewals: this.deps.renewals };
    // A request may trigger this; its async context must not be kept by the watch.
    return detached(() => new StoreWatch(this.store, scope, signal, (change, watch) => this.hear(watch, change)));
  }

  private widen(): void {
    if (!this.active || this.successor || this.closing.signal.aborted) return;
    const watch = this.openWatch(this.closing.signal);
    this.successor = watch;
    void watch.ended.then(() => {
      if (this.successor !== watch) return;
      // The wider watch failed: start over with one watch on everything followed.
      this.successor = undefined;
      this.active?.stop();
    });
  }

  private hear(watch: StoreWatch, change: Change): void {
    if (watch === this.successor) {
      this.successor = undefined;
      const replaced = this.active;
      this.active = watch;
      replaced?.stop();
    }
    if (watch !== this.active) return;
    this.take(change);
    const { services } = watch.scope;
    if (change.type === 'reset' && services && this.followed?.exceeds(services)) this.widen();
  }

  private take(received: Change): void {
    const { downSince } = this;
    if (this.isOutdated(received)) return;
    const isReturn = received.type === 'reset' && downSince !== undefined;
    const change = isReturn ? this.grace.extendReset(received, this.stored) : this.grace.apply(received);
    this.apply(change, received);
    if (received.type !== 'reset') return;
    this.announceFirstReset();
    this.failure = undefined;
    if (downSince === undefined) return;
    this.downSince = undefined;
    this.deps.events.emit('registry.available', { downMs: this.deps.clock.now() - downSince });
  }

  /**
   * Whether it removes an older registration than the one shown. A store that lost both may report the end of the older
   * one while the newer one is in its grace period.
   */
  private isOutdated(change: Change): boolean {
    if (change.type !== 'remove' || change.generation === undefined) return false;
    const known = this.storedInstance(change.key);
    return known !== undefined && known.generation > change.generation;
  }

  /** @param received the change that the store sent, if it sent one */
  private apply(change: Change, received?: Change): void {
    const previous = this.current;
    const now = this.deps.clock.now();
    if (!previous.connected) this.connectedAt = now;
    this.stored = applyChange(this.stored, change, now);
    const covered = change.type === 'reset' ? this.active?.scope.services : undefined;
    if (covered) this.stored = { ...this.stored, scope: new Set(covered) };
    const { scope } = this.stored;
    const shown = this.overlay.over(change, this.stored, previous);
    // Applying the overlay may have emptied it.
    if (this.overlay.size === 0) this.current = this.stored;
    else if (shown) this.current = { ...applyChange(previous, shown, now), scope };
    else this.current = { ...this.stored, services: previous.services };
    if (received) for (const listener of this.listeners) listener.received?.(received);
    if (shown) this.announce(previous, shown);
  }

  private announce(previous: RegistrySnapshot, change: Change | null): void {
    const { current } = this;
    for (const listener of this.listeners) listener.changed?.(current, previous, change);
    this.waiters.notify(change);
  }

  /** Removes the instances whose grace period has ended. */
  private drop(forgotten: readonly ServiceInstance[]): void {
    for (const { serviceName, instanceId } of forgotten) {
      const { revision } = this.stored;
      this.apply({ type: 'remove', revision, key: { serviceName, instanceId }, reason: 'expired' });
    }
  }

  private noteRefusal(refusal: Error | null): void {
    const { clock, events } = this.deps;
    const previous = this.current;
    const writeRefusal = refusal ? messageOf(refusal) : undefined;
    this.stored = { ...this.stored, writeRefusal };
    this.current = { ...previous, writeRefusal };
    this.announce(previous, null);
    const since = this.refusedSince;
    if (writeRefusal !== undefined) {
      this.refusedSince = clock.now();
      events.emit('registry.writes_refused', { reason: writeRefusal });
    } else if (since !== undefined) {
      this.refusedSince = undefined;
      events.emit('registry.writes_accepted', { refusedMs: clock.now() - since });
      for (const listener of this.listeners) listener.writesTaken?.();
    }
  }

  private disconnect(): void {
    const previous = this.current;
    if (!previous.connected) return;
    this.grace.pause();
    const asOf = this.deps.clock.now();
    this.stored = { ...this.stored, connected: false, asOf };
    this.current = { ...previous, connected: false, asOf };
    this.announce(previous, null);
  }

  private reportLoss(error: unknown): void {
    if (this.downSince !== undefined) return;
    this.downSince = this.deps.clock.now();
    this.deps.events.emit('registry.unavailable', { reason: messageOf(error), hasSnapshot: this.current.ready });
  }
}

/**
 * A snapshot as the first change of a watch; null before anything is known, or while a service in scope is being read.
 */
export function resetWithin(snapshot: RegistrySnapshot, scope: WatchScope): ResetChange | null {
  const { ready, connected, revision, services, expiryHolds, splits, scope: covered } = snapshot;
  if (!ready && services.size === 0) return null;
  const isBeingRead = (name: string): boolean => covered?.has(name) === false && !services.has(name);
  if (connected && scope.services?.some(isBeingRead)) return null;
  const names = scope.services ? new Set(scope.services) : services.keys();
  const instances = [...names].flatMap((name) => services.get(name) ?? []);
  return { type: 'reset', revision, instances, ...holdsWithin(expiryHolds, scope), ...splitsWithin(splits, scope) };
}
