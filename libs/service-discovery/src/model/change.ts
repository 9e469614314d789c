import { type InstanceKey, type ServiceInstance } from './instance.js';
import { type ServiceSplit } from './split.js';

/** Why a registration ended: its process or an operator removed it, or its lease ran out. */
export type RemovalReason = 'deregistered' | 'expired';

/**
 * Expiry of a service is held: so many of its instances miss heartbeats at once that the network or the registry is the
 * likelier cause. No instance is removed while it lasts; it ends by itself.
 */
export interface ExpiryHold {
  /** When it began, in milliseconds since the Unix epoch, by the store's clock. */
  readonly since: number;
  /** How many instances miss heartbeats: silent for two thirds of their leases or longer. */
  readonly overdue: number;
  /** Number of instances, including those. */
  readonly total: number;
}

/**
 * One step of a change stream. `revision` grows with each change of the store.
 * - `reset`: the complete state of the scope; anything absent is gone. The first change of every stream.
 * - `put`: an instance is new, or anything but its last heartbeat changed.
 * - `remove`: an instance left. `generation` is that of the ended registration, if the store knows it.
 * - `renewed`: heartbeats arrived; sent only to watchers that requested it ({@link WatchScope.renewals}). `instances`
 *   holds the current values under the keys, if the store has them at hand: readers may share them instead of making
 *   copies.
 * - `hold`: expiry of a service is held, or its figures changed; null: expiry resumes.
 * - `split`: how the calls to a service are split has changed.
 */
export type Change =
  | {
      readonly type: 'reset';
      readonly revision: number;
      readonly instances: readonly ServiceInstance[];
      /** By service name; absent: no service's expiry is held. */
      readonly holds?: ReadonlyMap<string, ExpiryHold>;
      /** By service name; absent: no service's calls are split. */
      readonly splits?: ReadonlyMap<string, ServiceSplit>;
    }
  | { readonly type: 'put'; readonly revision: number; readonly instance: ServiceInstance }
  | {
      readonly type: 'remove';
      readonly revision: number;
      readonly key: InstanceKey;
      readonly reason: RemovalReason;
      readonly generation?: number;
    }
  | {
      readonly type: 'renewed';
      readonly revision: number;
      readonly keys: readonly InstanceKey[];
      readonly at: number;
      readonly instances?: readonly ServiceInstance[];
    }
  | {
      readonly type: 'hold';
      readonly revision: number;
      readonly serviceName: string;
      readonly hold: ExpiryHold | null;
    }
  | { readonly type: 'split'; readonly revision: number; readonly serviceName: string; readonly split: ServiceSplit };

/** What a watcher subscribes to. */
export interface WatchScope {
  /** Names of services; absent: all. */
  readonly services?: readonly string[];
  /** Whether heartbeats are reported as `renewed` changes. @default false */
  readonly renewals?: boolean;
}

/** The part of a change that is about some services; null if nothing is. A reset stays one, however little it holds. */
export function changeWithin(change: Change, concerns: (serviceName: string) => boolean): Change | null {
  switch (change.type) {
    case 'reset': {
      const instances = change.instances.filter(({ serviceName }) => concerns(serviceName));
      const holds = change.holds && new Map([...change.holds].filter(([name]) => concerns(name)));
      const splits = change.splits && new Map([...change.splits].filter(([name]) => concerns(name)));
      return { ...change, instances, holds, splits };
    }
    case 'put':
      return concerns(change.instance.serviceName) ? change : null;
    case 'remove':
      return concerns(change.key.serviceName) ? change : null;
    case 'renewed': {
      const isWithin = ({ serviceName }: InstanceKey): boolean => concerns(serviceName);
      const keys = change.keys.filter(isWithin);
      return keys.length > 0 ? { ...change, keys, instances: change.instances?.filter(isWithin) } : null;
    }
    case 'hold':
    case 'split':
      return concerns(change.serviceName) ? change : null;
  }
}
