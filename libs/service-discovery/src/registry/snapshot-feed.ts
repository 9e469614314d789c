import {
  detached,
  messageOf,
  onAbort,
  reconnectDelay,
  settlesWithin,
  sleep,
  type Clock,
  type Random,
} from '../common/index.js';
import {
  applyChange,
  EMPTY_SNAPSHOT,
  findInstance,
  keyOf,
  type Change,
  type InstanceKey,
  type RegistrySnapshot,
  type ServiceInstance,
  type WatchScope,
} from '../model/index.js';
import { holdsWithin, type RegistryStore, type ResetChange } from '../store/index.js';
import { CarriedInstances } from './carried-instances.js';
import { FollowedServices } from './followed-services.js';
import { StoreWatch } from './store-watch.js';

/** The waits after a lost watch. */
const BACKOFF = { firstMs: 100, longestMs: 5_000 };

/** What a feed tells of; called in the order in which things happened, and must not throw. */
interface SnapshotFeedListener {
  /** What the store said, word for word; the snapshot may hold more: see {@link CarriedInstances}. */
  received(change: Change): void;
  /** @param change null where only the connection came or went */
  changed(snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null): void;
  /** The watch could not be opened, or was lost: once per outage. */
  lost(error: unknown): void;
  /** The first reset after {@link lost} has arrived, and `changed` was told of it. */
  regained(downMs: number): void;
  /** The store can be read, and takes no writes; `changed` was told of it, as of the end. */
  writesRefused(reason: string): void;
  writesTaken(refusedMs: number): void;
}

/** What readers see in place of what the store shows, while changes of ours wait for it. */
export interface SnapshotOverlay {
  /** How many instances it is about. */
  readonly size: number;
  keys(): readonly InstanceKey[];
  /** @param stored what the store shows; undefined: nothing */
  show(key: InstanceKey, stored: ServiceInstance | undefined): ServiceInstance | undefined;
}

export interface SnapshotFeedDeps {
  clock: Clock;
  random: Random;
  listener: SnapshotFeedListener;
  /** Whether to ask for heartbeats. */
  renewals: boolean;
  /** Whether to watch everything, or those services alone that {@link SnapshotFeed.follow} was called with. */
  follow: 'all' | 'used';
  /** Whether somebody waits for what happens to a service: then it is followed also while nobody is registered. @default no */
  isNeeded?: (serviceName: string) => boolean;
  /** @default none */
  overlay?: SnapshotOverlay;
}

const NO_OVERLAY: SnapshotOverlay = { size: 0, keys: () => [], show: (_key, stored) => stored };

/**
 * Mirrors a store: watches it, watches it again with a jittered backoff from 0.1 to 5 s whenever the watch is lost, and
 * keeps the last good snapshot meanwhile. Where the store comes back without its memory, instances have time to
 * register again before they are dropped.
 */
export class SnapshotFeed {
  /** What the store says. */
  private stored: RegistrySnapshot;
  /** The same with the overlay. */
  private current: RegistrySnapshot;
  private readonly closing = new AbortController();
  private readonly firstReset: Promise<void>;
  private announceFirstReset: () => void = () => undefined;
  private running: Promise<void> | undefined;
  private readonly followed: FollowedServices | undefined;
  /** The watch that the snapshot follows. */
  private active: StoreWatch | undefined;
  /** One with a wider scope, until its reset takes the place of the active one's changes. */
  private successor: StoreWatch | undefined;
  private connectedAt = 0;
  private downSince: number | undefined;
  private refusedSince: number | undefined;
  private stopHearingOfRefusals: (() => void) | undefined;
  private readonly carried: CarriedInstances;
  private readonly overlay: SnapshotOverlay;

  constructor(
    private readonly store: RegistryStore,
    private readonly deps: SnapshotFeedDeps,
  ) {
    this.followed = deps.follow === 'used' ? new FollowedServices(deps.isNeeded) : undefined;
    this.stored = { ...EMPTY_SNAPSHOT, asOf: deps.clock.now(), scope: this.followed && new Set() };
    this.current = this.stored;
    this.overlay = deps.overlay ?? NO_OVERLAY;
    this.carried = new CarriedInstances(deps.clock, (forgotten) => this.drop(forgotten));
    this.firstReset = new Promise((resolve) => (this.announceFirstReset = resolve));
  }

  get snapshot(): RegistrySnapshot {
    return this.current;
  }

  /** Whether the store can be watched and takes writes, as far as is known. */
  get isTakingWrites(): boolean {
    return this.current.connected && this.current.writeRefusal === undefined;
  }

  /** What the store shows under a key, whatever readers see. */
  storedInstance(key: InstanceKey): ServiceInstance | undefined {
    return findInstance(this.stored, key);
  }

  /** Whether the store lost an instance that is still shown, so that it may be registered again. */
  isForgotten(key: InstanceKey): boolean {
    return this.carried.has(key);
  }

  /** Shows what the overlay says of an instance now. */
  refresh(key: InstanceKey): void {
    this.showLocally(key, this.overlay.show(key, this.storedInstance(key)));
  }

  /** Shows an instance, or nothing, under a key until the store says otherwise. */
  showLocally({ serviceName, instanceId }: InstanceKey, instance: ServiceInstance | undefined): void {
    const previous = this.current;
    const { revision, ready, connected, asOf } = previous;
    const key = { serviceName, instanceId };
    if (findInstance(previous, key) === instance) return;
    const change: Change = instance
      ? { type: 'put', revision, instance }
      : { type: 'remove', revision, key, reason: 'deregistered' };
    this.current = { ...applyChange(previous, change, asOf), ready, connected };
    this.deps.listener.changed(this.current, previous, change);
  }

  /** How long the snapshot was not confirmed: 0 while connected; before the first reset, since the feed was made. */
  ageMs(): number {
    return this.current.connected ? 0 : this.deps.clock.now() - this.current.asOf;
  }

  /** Begins to watch. Resolves at the first reset, or after `timeoutMs`; the feed goes on trying then. */
  async start(timeoutMs: number): Promise<void> {
    this.running ??= this.run(this.closing.signal);
    this.stopHearingOfRefusals ??= this.store.onWritesRefused?.((refusal) => this.noteRefusal(refusal));
    if (this.current.ready || this.closing.signal.aborted) return;
    await settlesWithin(this.deps.clock, timeoutMs, Promise.race([this.firstReset, this.running]));
  }

  /** Ends the watch; the snapshot stays readable, no longer connected. */
  async close(): Promise<void> {
    this.closing.abort();
    this.stopHearingOfRefusals?.();
    this.carried.clear();
    await this.running;
  }

  /** Takes a service into the snapshot, where that does not hold everything anyway; without a gap for the others. */
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
      this.reportLoss(error);
      // A store that answers and fails right away is not hammered: only a watch that held starts the backoff anew.
      losses = heldMs >= BACKOFF.longestMs ? 1 : losses + 1;
      await this.pause(reconnectDelay(losses, BACKOFF, this.deps.random), signal);
    }
  }

  /** Waits before the next try; not any longer once the store says that it can be reached. Never rejects. */
  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    const stops = [onAbort(signal, end), this.store.onReachable?.(end)];
    if (signal.aborted) end();
    await sleep(this.deps.clock, ms, over.signal, { keepAlive: false }).catch(() => undefined);
    for (const stop of stops) stop?.();
  }

  /** Watches until that fails, with one watch after another where the scope grows. */
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
    // What makes it wider may be the first look-up of a service, for a request.
    return detached(() => new StoreWatch(this.store, scope, signal, (change, watch) => this.hear(watch, change)));
  }

  private widen(): void {
    if (!this.active || this.successor || this.closing.signal.aborted) return;
    const watch = this.openWatch(this.closing.signal);
    this.successor = watch;
    void watch.ended.then(() => {
      if (this.successor !== watch) return;
      // The store is out of reach: the other watch hears of it too, and begins anew with everything.
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
    const { clock, listener } = this.deps;
    const { downSince } = this;
    if (this.isOutdated(received)) return;
    const isReturn = received.type === 'reset' && downSince !== undefined;
    const change = isReturn ? this.carried.complete(received, this.stored) : this.carried.settle(received);
    this.apply(change, () => listener.received(received));
    if (received.type !== 'reset') return;
    this.announceFirstReset();
    if (downSince === undefined) return;
    this.downSince = undefined;
    listener.regained(clock.now() - downSince);
  }

  /**
   * Whether it tells of the end of an older registration than the one that is shown. A store that lost both tells of the
   * end of the one, while the other is carried until it is registered again.
   */
  private isOutdated(change: Change): boolean {
    if (change.type !== 'remove' || change.generation === undefined) return false;
    const known = this.storedInstance(change.key);
    return known !== undefined && known.generation > change.generation;
  }

  private apply(change: Change, before: () => void = () => undefined): void {
    const previous = this.current;
    const now = this.deps.clock.now();
    if (!previous.connected) this.connectedAt = now;
    this.stored = applyChange(this.stored, change, now);
    const covered = change.type === 'reset' ? this.active?.scope.services : undefined;
    if (covered) this.stored = { ...this.stored, scope: new Set(covered) };
    const { scope } = this.stored;
    const shown = this.overlay.size > 0 ? this.overlaid(change) : change;
    // Looking at it may have been the end of the overlay.
    if (this.overlay.size === 0) this.current = this.stored;
    else if (shown) this.current = { ...applyChange(previous, shown, now), scope };
    else this.current = { ...this.stored, services: previous.services };
    before();
    if (shown) this.deps.listener.changed(this.current, previous, shown);
  }

  /** What a change of the store means for readers; null: nothing. */
  private overlaid(change: Change): Change | null {
    if (change.type === 'hold') return change;
    if (change.type === 'renewed') return this.overlaidRenewal(change);
    if (change.type === 'reset') return { ...change, instances: this.overlaidInstances(change.instances) };
    const { serviceName, instanceId } = change.type === 'put' ? change.instance : change.key;
    const key = { serviceName, instanceId };
    const shown = this.overlay.show(key, this.storedInstance(key));
    if (shown === findInstance(this.current, key)) return null;
    const { revision } = change;
    if (shown) return { type: 'put', revision, instance: shown };
    return change.type === 'remove' ? change : { type: 'remove', revision, key, reason: 'deregistered' };
  }

  /** A heartbeat tells of instances as the store has them, and says nothing against what lies over them. */
  private overlaidRenewal(change: Extract<Change, { type: 'renewed' }>): Change {
    const covered = new Set(this.overlay.keys().map(keyOf));
    return { ...change, instances: change.instances?.filter((instance) => !covered.has(keyOf(instance))) };
  }

  private overlaidInstances(stored: readonly ServiceInstance[]): ServiceInstance[] {
    const rest = new Map(this.overlay.keys().map((key) => [keyOf(key), key]));
    const instances: ServiceInstance[] = [];
    for (const instance of stored) {
      const shown = rest.delete(keyOf(instance)) ? this.overlay.show(instance, instance) : instance;
      if (shown) instances.push(shown);
    }
    for (const key of rest.values()) {
      const shown = this.overlay.show(key, undefined);
      if (shown) instances.push(shown);
    }
    return instances;
  }

  /** What a store that started anew still does not know is gone. */
  private drop(forgotten: readonly ServiceInstance[]): void {
    for (const { serviceName, instanceId } of forgotten) {
      const { revision } = this.stored;
      this.apply({ type: 'remove', revision, key: { serviceName, instanceId }, reason: 'expired' });
    }
  }

  private noteRefusal(refusal: Error | null): void {
    const { clock, listener } = this.deps;
    const previous = this.current;
    const writeRefusal = refusal ? messageOf(refusal) : undefined;
    this.stored = { ...this.stored, writeRefusal };
    this.current = { ...previous, writeRefusal };
    listener.changed(this.current, previous, null);
    const since = this.refusedSince;
    if (writeRefusal !== undefined) {
      this.refusedSince = clock.now();
      listener.writesRefused(writeRefusal);
    } else if (since !== undefined) {
      this.refusedSince = undefined;
      listener.writesTaken(clock.now() - since);
    }
  }

  private disconnect(): void {
    const previous = this.current;
    if (!previous.connected) return;
    this.carried.pause();
    const asOf = this.deps.clock.now();
    this.stored = { ...this.stored, connected: false, asOf };
    this.current = { ...previous, connected: false, asOf };
    this.deps.listener.changed(this.current, previous, null);
  }

  private reportLoss(error: unknown): void {
    if (this.downSince !== undefined) return;
    this.downSince = this.deps.clock.now();
    this.deps.listener.lost(error);
  }
}

/** A snapshot as the opening of a watch; null before anything is known, or while a service of the scope is being read. */
export function resetWithin(snapshot: RegistrySnapshot, scope: WatchScope): ResetChange | null {
  const { ready, connected, revision, services, expiryHolds, scope: covered } = snapshot;
  if (!ready && services.size === 0) return null;
  const isBeingRead = (name: string): boolean => covered?.has(name) === false && !services.has(name);
  if (connected && scope.services?.some(isBeingRead)) return null;
  const names = scope.services ? new Set(scope.services) : services.keys();
  const instances = [...names].flatMap((name) => services.get(name) ?? []);
  return { type: 'reset', revision, instances, ...holdsWithin(expiryHolds, scope) };
}
