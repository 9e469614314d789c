import { settlesWithin, RegistryUnavailableError, type Clock } from '../common/index.js';
import { type InstanceKey, type Lease } from '../model/index.js';
import { inBatches } from './batches.js';

const CONCURRENCY = 16;
/** How long a shutdown waits for the store. */
const PATIENCE_MS = 5_000;

/** What became of the instances that this process registered. */
export interface OwnInstancesReport {
  /** Done, or no longer ours. */
  readonly done: readonly InstanceKey[];
  /** Not done within 5 s: the store refused, or did not answer. Their leases run out. */
  readonly failed: readonly { readonly key: InstanceKey; readonly error: unknown }[];
}

/** Does one thing to every own lease, 16 at a time, for at most 5 s; never rejects. */
export async function forEachOwn(
  clock: Clock,
  leases: readonly Lease[],
  task: (lease: Lease) => Promise<unknown>,
): Promise<OwnInstancesReport> {
  const outcomes = new Map<Lease, { error?: unknown }>();
  let givenUp = false;
  const work = inBatches(leases, CONCURRENCY, async (lease) => {
    if (givenUp) return;
    try {
      await task(lease);
      outcomes.set(lease, {});
    } catch (error) {
      outcomes.set(lease, { error });
    }
  });
  await settlesWithin(clock, PATIENCE_MS, work);
  givenUp = true;

  const tooLate = new RegistryUnavailableError(`The registry did not answer within ${PATIENCE_MS} ms`);
  const done: InstanceKey[] = [];
  const failed: { key: InstanceKey; error: unknown }[] = [];
  for (const lease of leases) {
    const key = { serviceName: lease.serviceName, instanceId: lease.instanceId };
    const outcome = outcomes.get(lease) ?? { error: tooLate };
    if ('error' in outcome) failed.push({ key, error: outcome.error });
    else done.push(key);
  }
  return { done, failed };
}
