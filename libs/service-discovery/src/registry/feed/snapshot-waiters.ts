import { keyOf, type Change, type InstanceKey } from '../../model/index.js';

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
    const key = change.type === 'put' ? change.instance : change.key;
    for (const check of this.waiting.get(keyOf(key)) ?? []) check();
  }
}
