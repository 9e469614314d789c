import { type ServiceInstance } from '../../model/index.js';
import { type InstanceTurnover } from '../../transport/index.js';

/** What an update did to the instances of a service. */
export interface InstanceChanges extends InstanceTurnover {
  /** Those under whose id somebody registered anew. */
  readonly replaced: readonly ServiceInstance[];
}

interface Collected extends InstanceChanges {
  readonly joined: ServiceInstance[];
  readonly left: ServiceInstance[];
  readonly replaced: ServiceInstance[];
}

/** Walks the two lists in step, as far as they agree on ids: an update of one of thousands looks nobody up. */
export function changesBetween(before: readonly ServiceInstance[], after: readonly ServiceInstance[]): InstanceChanges {
  const changes: Collected = { joined: [], left: [], replaced: [] };
  const shortest = Math.min(before.length, after.length);
  let start = 0;
  while (start < shortest && before[start]!.instanceId === after[start]!.instanceId) {
    compare(before[start]!, after[start]!, changes);
    start++;
  }
  let end = 0;
  while (end < shortest - start && before.at(-1 - end)!.instanceId === after.at(-1 - end)!.instanceId) {
    compare(before.at(-1 - end)!, after.at(-1 - end)!, changes);
    end++;
  }
  matchById(before.slice(start, before.length - end), after.slice(start, after.length - end), changes);
  return changes;
}

function matchById(before: readonly ServiceInstance[], after: readonly ServiceInstance[], changes: Collected): void {
  const gone = new Map(before.map((instance) => [instance.instanceId, instance]));
  for (const instance of after) {
    const known = gone.get(instance.instanceId);
    if (known) compare(known, instance, changes);
    else changes.joined.push(instance);
    gone.delete(instance.instanceId);
  }
  for (const instance of gone.values()) changes.left.push(instance);
}

function compare(before: ServiceInstance, after: ServiceInstance, changes: Collected): void {
  if (before === after) return;
  if (before.generation !== after.generation) changes.replaced.push(after);
  if (before.host === after.host && before.port === after.port && before.protocol === after.protocol) return;
  changes.left.push(before);
  changes.joined.push(after);
}
