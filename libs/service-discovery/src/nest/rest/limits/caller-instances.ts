import { findInstance, type InstanceKey, keyOf } from '../../../model/index.js';
import { type ServiceRegistry } from '../../../registry/index.js';

/** How many instances each caller has registered over this process, as long as they are there. */
export class CallerInstances {
  private readonly registered = new Map<string, { readonly key: InstanceKey; readonly caller: string }>();
  private readonly counts = new Map<string, number>();

  constructor(registry: Pick<ServiceRegistry, 'onChange'>) {
    registry.onChange((snapshot, _previous, change) => {
      if (change?.type === 'remove') this.remove(change.key);
      if (change?.type !== 'reset') return;
      for (const { key } of this.registered.values()) if (!findInstance(snapshot, key)) this.remove(key);
    });
  }

  countOf(caller: string): number {
    return this.counts.get(caller) ?? 0;
  }

  add(caller: string, key: InstanceKey): void {
    this.remove(key);
    this.registered.set(keyOf(key), { key, caller });
    this.counts.set(caller, this.countOf(caller) + 1);
  }

  remove(key: InstanceKey): void {
    const caller = this.registered.get(keyOf(key))?.caller;
    if (caller === undefined) return;
    this.registered.delete(keyOf(key));
    const count = this.countOf(caller) - 1;
    if (count > 0) this.counts.set(caller, count);
    else this.counts.delete(caller);
  }
}
