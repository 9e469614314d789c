import { keyOf, type Change, type InstanceKey } from '../model/index.js';

/**
 * Those who wait until the snapshot shows what they did. A change asks only those that wait for its instance, so that
 * many who wait at once do not cost each change the sum of them.
 */
export class EffectWaiters {
  private readonly waiting = new Map<string, Set<() => void>>();

  /**
   * Calls `look` after each change of an instance, and after those that may concern any.
   * @returns stops it; safe to call again
   */
  add(key: InstanceKey, look: () => void): () => void {
    const id = keyOf(key);
    const looks = this.waiting.get(id) ?? new Set();
    this.waiting.set(id, looks.add(look));
    return () => {
      looks.delete(look);
      if (looks.size === 0 && this.waiting.get(id) === looks) this.waiting.delete(id);
    };
  }

  /** @param change null where only the connection came or went */
  tell(change: Change | null): void {
    if (change?.type === 'renewed' || change?.type === 'hold') return;
    if (change === null || change.type === 'reset') {
      for (const looks of this.waiting.values()) for (const look of looks) look();
      return;
    }
    const key = change.type === 'put' ? change.instance : change.key;
    for (const look of this.waiting.get(keyOf(key)) ?? []) look();
  }
}
