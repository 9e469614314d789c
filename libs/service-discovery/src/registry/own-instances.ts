import { type Clock, durationText, RegistryUnavailableError, settlesWithin } from '../common/index.js';
import { type InstanceKey, type Lease } from '../model/index.js';
import { inBatches } from './rounds.js';

const CONCURRENCY = 16;
/** How long a shutdown waits for the store, in milliseconds. */
const PATIENCE_MS = 5_000;

/** The outcome for the instances that this process registered. */
export interface OwnInstancesReport {
  /** Done, or no longer registered by this process. */
  readonly done: readonly InstanceKey[];
  /** Failed, or not done within 5 s. Their leases expire. */
  readonly failed: readonly { readonly key: InstanceKey; readonly error: unknown }[];
}

/** Runs `task` for each lease, 16 at a time, for at most 5 s. Never rejects. */
export async function forEachOwn(
  clock: Clock,
  leases: readonly Lease[],
  task: (lease: Lease) => Promise<unknown>,
): Promise<OwnInstancesReport> {
  const tooLate = new RegistryUnavailableError(`The registry did not answer within ${durationText(PATIENCE_MS)}`);
  const failures = new Map<Lease, unknown>(leases.map((lease) => [lease, tooLate]));
  let timedOut = false;
  const work = inBatches(leases, CONCURRENCY, async (lease) => {
    if (timedOut) return;
    await task(lease).then(
      () => failures.delete(lease),
      (error: unknown) => failures.set(lease, error),
    );
  });
  await settlesWithin(clock, PATIENCE_MS, work);
  timedOut = true;
  return {
    done: leases.filter((lease) => !failures.has(lease)).map(keyFrom),
    failed: [...failures].map(([lease, error]) => ({ key: keyFrom(lease), error })),
  };
}

function keyFrom({ serviceName, instanceId }: InstanceKey): InstanceKey {
  return { serviceName, instanceId };
}
