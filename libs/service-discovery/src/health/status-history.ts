import { type Clock } from '../common/index.js';
import {
  findInstance,
  keyOf,
  type Change,
  type InstanceKey,
  type InstanceStatus,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../model/index.js';
import { type StatusSource } from './status-merge.js';

/** A change of an instance's status as this process observed it in the registry. */
export interface StatusTransition {
  /** Null: it was not registered. */
  readonly from: InstanceStatus | null;
  /** Null: it is no longer registered. */
  readonly to: InstanceStatus | null;
  /** What changed it; `lease` if the instance registered or left. */
  readonly source: Exclude<StatusSource, 'passive'>;
  /** Null: none given. */
  readonly reason: string | null;
  /** When it was observed, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/** For how many services it is known since when they have no instance. */
const MOST_GONE = 1_000;

/** How long, and for how many, the history of instances that left is kept. */
const DEPARTED_MS = 600_000;
const MOST_DEPARTED = 1_000;
const NONE: readonly StatusTransition[] = [];

/**
 * The latest status changes of each instance. Instances found at startup have none yet. Costs nothing while statuses
 * stay the same.
 */
export class StatusHistory {
  private readonly transitions = new Map<string, readonly StatusTransition[]>();
  /** When each left, by `Clock.now()`, oldest first. */
  private readonly departed = new Map<string, number>();
  /** When the last instance of each service left, in milliseconds since the Unix epoch; oldest first. */
  private readonly gone = new Map<string, number>();
  /** When the first snapshot came. */
  private readyAt: number | undefined;

  /** @param kept changes kept per instance; 0: none */
  constructor(
    private readonly clock: Clock,
    private readonly kept: number,
  ) {}

  /** Oldest first. */
  of(key: InstanceKey): readonly StatusTransition[] {
    this.forgetDeparted();
    return this.transitions.get(keyOf(key)) ?? NONE;
  }

  /**
   * Since when a service that is not registered has been missing: since its last instance left, else since this process reads
   * the registry; in milliseconds since the Unix epoch, null: unknown.
   */
  missingSince(service: string): number | null {
    return this.gone.get(service) ?? this.readyAt ?? null;
  }

  note(snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null): void {
    if (snapshot.ready) this.readyAt ??= this.clock.epoch();
    this.noteGone(snapshot, previous, change);
    if (this.kept === 0) return;
    switch (change?.type) {
      case 'put':
        this.compare(findInstance(previous, change.instance), change.instance);
        break;
      case 'remove': {
        const left = findInstance(previous, change.key);
        if (left) this.leave(left, change.reason);
        break;
      }
      case 'reset':
        if (previous.ready) this.compareAll(snapshot, previous);
        break;
      case 'renewed':
      case 'hold':
      case 'split':
      case undefined:
        break;
    }
  }

  private noteGone(snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null): void {
    if (change?.type === 'put') this.gone.delete(change.instance.serviceName);
    if (change?.type !== 'remove' && change?.type !== 'reset') return;
    for (const name of change.type === 'remove' ? [change.key.serviceName] : previous.services.keys()) {
      if (snapshot.services.has(name) || !previous.services.has(name)) continue;
      this.gone.delete(name);
      this.gone.set(name, this.clock.epoch());
      const [oldest] = this.gone.keys();
      if (this.gone.size > MOST_GONE) this.gone.delete(oldest!);
    }
  }

  private compareAll(snapshot: RegistrySnapshot, previous: RegistrySnapshot): void {
    const changed = ([name, list]: [string, readonly ServiceInstance[]], other: RegistrySnapshot): boolean =>
      other.services.get(name) !== list;
    for (const entry of previous.services) {
      if (!changed(entry, snapshot)) continue;
      for (const instance of entry[1])
        if (!findInstance(snapshot, instance)) this.leave(instance, 'gone while the registry could not be followed');
    }
    for (const entry of snapshot.services) {
      // An instance that comes into view because the scope grew did not just register.
      if (!changed(entry, previous) || previous.scope?.has(entry[0]) === false) continue;
      for (const instance of entry[1]) this.compare(findInstance(previous, instance), instance);
    }
  }

  private compare(before: ServiceInstance | undefined, after: ServiceInstance): void {
    if (before?.generation !== after.generation) {
      const reason = before ? 'registered again' : 'registered';
      this.add(after, before?.status ?? null, after.status, 'lease', reason);
    } else if (before.status !== after.status) {
      const isOperators = before.operatorStatus !== after.operatorStatus;
      const reason = (isOperators ? after.operatorNote?.reason : after.health?.reason) ?? null;
      this.add(after, before.status, after.status, isOperators ? 'operator' : 'active', reason);
    }
  }

  private leave(instance: ServiceInstance, reason: string): void {
    const key = keyOf(instance);
    this.add(instance, instance.status, null, 'lease', reason);
    this.departed.set(key, this.clock.now());
    this.forgetDeparted();
  }

  private add(
    instance: InstanceKey,
    from: InstanceStatus | null,
    to: InstanceStatus | null,
    source: StatusTransition['source'],
    reason: string | null,
  ): void {
    const key = keyOf(instance);
    this.departed.delete(key);
    const transition = { from, to, source, reason, at: this.clock.epoch() };
    this.transitions.set(key, [...(this.transitions.get(key) ?? NONE), transition].slice(-this.kept));
  }

  private forgetDeparted(): void {
    const outlived = this.clock.now() - DEPARTED_MS;
    for (const [key, leftAt] of this.departed) {
      if (leftAt > outlived && this.departed.size <= MOST_DEPARTED) return;
      this.departed.delete(key);
      this.transitions.delete(key);
    }
  }
}
