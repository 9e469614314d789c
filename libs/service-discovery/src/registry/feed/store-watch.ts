import { joinSignals, RegistryUnavailableError } from '../../common/index.js';
import { type Change, type InstanceKey, keyOf, serviceKeyOf, type WatchScope } from '../../model/index.js';
import { type RegistryStore } from '../../store/index.js';

/** One watch on a store, read until it ends. */
export class StoreWatch {
  /**
   * Resolves with the reason when the watch ends: the store's error, or that the store ended the watch. Never rejects.
   */
  readonly ended: Promise<unknown>;
  private readonly stopping = new AbortController();

  /** @param take called with each change, in order */
  constructor(
    store: RegistryStore,
    readonly scope: WatchScope,
    signal: AbortSignal,
    private readonly take: (change: Change, watch: StoreWatch) => void,
  ) {
    this.ended = this.read(store, signal);
  }

  stop(): void {
    this.stopping.abort();
  }

  private async read(store: RegistryStore, signal: AbortSignal): Promise<unknown> {
    const either = joinSignals([signal, this.stopping.signal]);
    try {
      for await (const change of store.watch(this.scope, either.signal)) {
        if (either.signal.aborted) break;
        this.take(change, this);
      }
      return new RegistryUnavailableError('The store ended the watch');
    } catch (error) {
      return error;
    } finally {
      either.release();
    }
  }
}

/**
 * Resolves pending writes once the snapshot reflects them. Waiters are kept by instance, so that a change checks only
 * those of its own instance.
 */
export class SnapshotWaiters {
  private readonly waiting = new Map<string, Set<() => void>>();

  /**
   * Calls `check` after each change of the instance, and after changes that may affect any instance.
   * @returns removes the waiter; safe to call again
   */
  add(key: InstanceKey, check: () => void): () => void {
    const id = keyOf(key);
    const checks = this.waiting.get(id) ?? new Set();
    this.waiting.set(id, checks.add(check));
    return () => {
      checks.delete(check);
      if (checks.size === 0 && this.waiting.get(id) === checks) this.waiting.delete(id);
    };
  }

  /** @param change null if only the connection state changed */
  notify(change: Change | null): void {
    if (change?.type === 'renewed' || change?.type === 'hold') return;
    if (change === null || change.type === 'reset') {
      for (const checks of this.waiting.values()) for (const check of checks) check();
      return;
    }
    for (const check of this.waiting.get(keyOf(subjectOf(change))) ?? []) check();
  }
}

function subjectOf(change: Extract<Change, { type: 'put' | 'remove' | 'split' }>): InstanceKey {
  if (change.type === 'put') return change.instance;
  return change.type === 'remove' ? change.key : serviceKeyOf(change.serviceName);
}
