import { type Lease, type LeaseKind } from '../../model/index.js';
import { type KeySpace } from './keys.js';
import { type LuaAnswer, type LuaCall } from './lua-call.js';
import { renew, sign, touchNames } from './lua-scripts.js';
import { type RecordSignatures } from './record-signatures.js';
import { type RedisLink } from './redis-link.js';

/** Leases per call: a long script would block Redis. */
const LEASES_PER_CALL = 100;

interface RenewalDeps {
  readonly link: RedisLink;
  readonly keys: KeySpace;
  readonly changesKept: number;
  /** Called with the answer to the update of the index of service names. */
  readonly onIndexAnswer: (answer: LuaAnswer<unknown>) => void;
  /** Called if the data of a service cannot be read; its leases count as lost. */
  readonly onUnreadable: (serviceName: string, reason: string) => void;
  /** The SHA-1 of the record that a lease should have; undefined if any may be there. @default any */
  readonly digestOf?: (lease: Lease) => string | undefined;
}

/** What the script says of a lease. */
export const RENEWAL = { lost: 0, held: 1, heldWithAnotherRecord: 2 } as const;

/**
 * Extends leases of any number of services, in one round trip.
 * @returns a {@link RENEWAL}, at the lease's index
 * @throws RegistryUnavailableError
 */
export async function renewAll(
  leases: readonly Lease[],
  by: LeaseKind,
  { link, keys, changesKept, onIndexAnswer, onUnreadable, digestOf }: RenewalDeps,
): Promise<readonly number[]> {
  const batches = batchesOf(leases);
  const calls = batches.map(({ serviceName, indices }) => {
    const own = keys.of(serviceName);
    const pairs = indices.flatMap((index) => {
      const digest = digestOf?.(leases[index]!);
      const { instanceId, generation } = leases[index]!;
      return [instanceId, digest === undefined ? String(generation) : `${generation} ${digest}`];
    });
    return renew(own, own.beats, by, changesKept, ...pairs);
  });
  const names = [...new Set(batches.map(({ serviceName }) => serviceName))];
  const all: LuaCall<readonly number[] | number>[] = [...calls, touchNames(keys, keys.processes, ...names)];
  const answers = await link.run(all);
  onIndexAnswer(answers.pop()!);
  const held = leases.map((): number => RENEWAL.lost);
  answers.forEach((answer, position) => {
    const { serviceName, indices } = batches[position]!;
    if ('error' in answer && isWrongType(answer.error)) {
      onUnreadable(serviceName, answer.error.message);
      return;
    }
    const reply = link.replyOf(answer) as readonly number[];
    indices.forEach((index, at) => (held[index] = Number(reply[at])));
  });
  return held;
}

/** Leases by service, at most {@link LEASES_PER_CALL} per batch, as indices. */
function batchesOf(leases: readonly Lease[]): { serviceName: string; indices: number[] }[] {
  const open = new Map<string, { serviceName: string; indices: number[] }>();
  const batches: { serviceName: string; indices: number[] }[] = [];
  leases.forEach(({ serviceName }, index) => {
    let batch = open.get(serviceName);
    if (!batch || batch.indices.length >= LEASES_PER_CALL) {
      batch = { serviceName, indices: [] };
      open.set(serviceName, batch);
      batches.push(batch);
    }
    batch.indices.push(index);
  });
  return batches;
}

export function isWrongType({ message }: Error): boolean {
  return message.includes('WRONGTYPE');
}

/** The most in one round trip; the others follow with the next renewal. */
const LEASES_AT_ONCE = 1_000;

interface SignAgainDeps {
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
