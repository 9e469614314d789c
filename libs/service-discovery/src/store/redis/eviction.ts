/**
 * Policies that evict any key when memory is full. The others spare keys without a TTL, as those of the registry are.
 */
const EVICTS_ANY_KEY = /^maxmemory_policy:(allkeys-\S+)/m;
const HAS_LIMIT = /^maxmemory:[1-9]/m;

/**
 * Why a server is not suited for the registry; undefined if it is.
 * @param info the answer to `INFO memory`
 */
export function findEviction(info: string): string | undefined {
  const [, policy] = EVICTS_ANY_KEY.exec(info) ?? [];
  if (policy === undefined || !HAS_LIMIT.test(info)) return undefined;
  return (
    `the maxmemory-policy of Redis is ${policy}, which also evicts keys of the registry when memory is full. Instances come ` +
    'back by themselves but may be missing for a while; use noeviction, a volatile policy, or a separate Redis'
  );
}
