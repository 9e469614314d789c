/** A policy by which Redis deletes any key where its memory is full; the others spare those that never expire by themselves. */
const EVICTS_ANY_KEY = /^maxmemory_policy:(allkeys-\S+)/m;
const HAS_LIMIT = /^maxmemory:[1-9]/m;

/**
 * What speaks against keeping the registry in a server; undefined: nothing.
 * @param info what `INFO memory` answered
 */
export function findEviction(info: string): string | undefined {
  const [, policy] = EVICTS_ANY_KEY.exec(info) ?? [];
  if (policy === undefined || !HAS_LIMIT.test(info)) return undefined;
  return (
    `the maxmemory-policy of Redis is ${policy}: where its memory is full, it deletes keys of the registry, too. Instances come ` +
    'back by themselves, but may be missing for a while; use noeviction, a volatile policy, or a Redis of its own'
  );
}
