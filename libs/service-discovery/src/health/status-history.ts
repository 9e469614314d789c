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

/** One change of an instance's status, as this process heard of it from the registry. */
export interface StatusTransition {
  /** Null: it was not registered. */
  readonly from: InstanceStatus | null;
  /** Null: it is not registered any more. */
  readonly to: InstanceStatus | null;
  /** What changed: `lease` where it came or went. */
  readonly source: Exclude<StatusSource, 'passive'>;
  /** Null: nobody said. */
  readonly reason: string | null;
  /** When it was heard of, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/** How long what became of those who left is remembered, and of how many. */
const DEPARTED_MS = 600_000;
const MOST_DEPARTED = 1_000;
const NONE: readonly StatusTransition[] = [];

/**
 * The last changes of each instance's status. What was there when this process began to follow it has none yet. Costs nothing
 * while statuses stay as they are.
 */
export class StatusHistory {
  private readonly transitions = new Map<string, readonly StatusTransition[]>();
  /** When they left, by `Clock.now()`; the first to leave first. */
  private readonly departed = new Map<string, number>();

  /** @param kept how many changes are kept of an instance; 0: none */
  constructor(
    private readonly clock: Clock,
    private readonly kept: number,
  ) {}

  /** The oldest first. */
  of(key: InstanceKey): readonly StatusTransition[] {
    this.forgetDeparted();
    return this.transitions.get(keyOf(key)) ?? NONE;
  }

  note(snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null): void {
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
      case undefined:
        break;
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
      // What is followed from now on was there before.
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
