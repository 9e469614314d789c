import { type InstanceKey, type ServiceInstance } from './instance.js';

export type RemovalReason = 'deregistered' | 'expired';

/**
 * Expiry of a service is held: so many of its instances miss their heartbeats at once that the fault is more likely one
 * of the network or of the registry. Nothing is taken out meanwhile; it ends by itself.
 */
export interface ExpiryHold {
  /** When it began, in milliseconds since the Unix epoch, by the store's clock. */
  readonly since: number;
  /** How many instances miss their heartbeats: nothing came of them for two thirds of their leases or longer. */
  readonly overdue: number;
  /** Of how many, these included. */
  readonly total: number;
}

/**
 * One step of a change stream. `revision` grows with each change of the store.
 * - `reset`: everything in scope, whole; what is not in it is gone. The first change of every stream.
 * - `put`: an instance is new, or anything but its last heartbeat changed.
 * - `remove`: an instance left. `generation` is that of the registration that ended, where the store tells it.
 * - `renewed`: heartbeats arrived; sent only to watchers that asked for it ({@link WatchScope.renewals}). `instances` holds
 *   what stands under the keys now, where the store has it at hand: readers may share it instead of making their own.
 * - `hold`: expiry of a service is held from now on, or its figures moved; null: it goes on.
 */
export type Change =
  | {
      readonly type: 'reset';
      readonly revision: number;
      readonly instances: readonly ServiceInstance[];
      /** By service name; left out: expiry of no service is held. */
      readonly holds?: ReadonlyMap<string, ExpiryHold>;
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
    };

/** What a watcher wants to hear of. */
export interface WatchScope {
  /** Names of services; left out: all. */
  readonly services?: readonly string[];
  /** Whether heartbeats are worth a `renewed` change. @default false */
  readonly renewals?: boolean;
}
