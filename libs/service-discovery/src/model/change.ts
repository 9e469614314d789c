import { type InstanceKey, type ServiceInstance } from './instance.js';

export type RemovalReason = 'deregistered' | 'expired';

/**
 * One step of a change stream. `revision` grows with each change of the store.
 * - `reset`: everything in scope, whole; what is not in it is gone. The first change of every stream.
 * - `put`: an instance is new, or anything but its last heartbeat changed.
 * - `remove`: an instance left.
 * - `renewed`: heartbeats arrived; sent only to watchers that asked for it ({@link WatchScope.renewals}).
 */
export type Change =
  | { readonly type: 'reset'; readonly revision: number; readonly instances: readonly ServiceInstance[] }
  | { readonly type: 'put'; readonly revision: number; readonly instance: ServiceInstance }
  | { readonly type: 'remove'; readonly revision: number; readonly key: InstanceKey; readonly reason: RemovalReason }
  | { readonly type: 'renewed'; readonly revision: number; readonly keys: readonly InstanceKey[]; readonly at: number };

/** What a watcher wants to hear of. */
export interface WatchScope {
  /** Names of services; left out: all. */
  readonly services?: readonly string[];
  /** Whether heartbeats are worth a `renewed` change. @default false */
  readonly renewals?: boolean;
}
