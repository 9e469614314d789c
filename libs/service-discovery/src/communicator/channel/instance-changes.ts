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
  while (start < shortest && agree(before[start]!, after[start]!, changes)) start++;
  let [beforeEnd, afterEnd] = [before.length, after.length];
  while (Math.min(beforeEnd, afterEnd) > start && agree(before[beforeEnd - 1]!, after[afterEnd - 1]!, changes)) {
    beforeEnd--;
    afterEnd--;
  }
  matchById(before.slice(start, beforeEnd), after.slice(start, afterEnd), changes);
  return changes;
}

/** Whether two that stand at the same place have the same id; then they are compared. */
function agree(before: ServiceInstance, after: ServiceInstance, changes: Collected): boolean {
  // Nearly all, and no look into them is needed.
  if (before === after) return true;
  if (before.instanceId !== after.instanceId) return false;
  compare(before, after, changes);
  return true;
}

function matchById(before: readonly ServiceInstance[], after: readonly ServiceInstance[], changes: Collected): void {
  const gone = new Map(before.map((instance) => [instance.instanceId, instance]));
  for (const instance of after) {
    const known = gone.get(instance.instanceId);
    if (!known) changes.joined.push(instance);
    else compare(known, instance, changes);
    gone.delete(instance.instanceId);
  }
  for (const instance of gone.values()) changes.left.push(instance);
}

function compare(before: ServiceInstance, after: ServiceInstance, changes: Collected): void {
  if (before.generation !== after.generation) changes.replaced.push(after);
  if (before.host === after.host && before.port === after.port && before.protocol === after.protocol) return;
  changes.left.push(before);
  changes.joined.push(after);
}
