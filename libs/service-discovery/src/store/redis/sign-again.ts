import { type Lease } from '../../model/index.js';
import { type KeySpace } from './keys.js';
import { sign } from './lua-scripts.js';
import { type RecordSignatures } from './record-signatures.js';
import { type RedisLink } from './redis-link.js';
import { batchesOf } from './renewals.js';

/** The most in one round trip; the others follow with the next renewal. */
const LEASES_AT_ONCE = 1_000;

export interface SignAgainDeps {
  readonly link: RedisLink;
  readonly keys: KeySpace;
  readonly changesKept: number;
  readonly signatures: RecordSignatures;
}

/**
 * Signs the records of leases again, as far as they are known, and stores them if the leases are still held.
 * @throws RegistryUnavailableError
 */
export async function signAgain(
  leases: readonly Lease[],
  { link, keys, changesKept, signatures }: SignAgainDeps,
): Promise<void> {
  const signed = leases.slice(0, LEASES_AT_ONCE).flatMap((lease) => {
    const record = signatures.signAgain(lease);
    return record === undefined ? [] : [{ lease, record }];
  });
  const batches = batchesOf(signed.map(({ lease }) => lease));
  const answers = await link.run(
    batches.map(({ serviceName, indices }) => {
      const args = indices.flatMap((index) => {
        const { lease, record } = signed[index]!;
        return [lease.instanceId, String(lease.generation), record];
      });
      return sign(keys.of(serviceName), changesKept, ...args);
    }),
  );
  answers.forEach((answer, batch) => {
    const held = link.replyOf(answer);
    batches[batch]!.indices.forEach((index, at) => {
      const { lease, record } = signed[index]!;
      if (Number(held[at]) === 1) signatures.registered(lease, record);
    });
  });
}
