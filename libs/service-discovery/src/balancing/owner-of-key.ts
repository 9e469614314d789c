import { choiceAt, placeIn, type Plan, poolAt } from './plan.js';
import { type Strategy, type Wish } from './strategy.js';

/**
 * Whom a strategy that goes by keys would choose, the same way as a pick finds it, and without a trace.
 * @param usual the plan apart from whom the call has tried and who refuses it
 * @param rest the plan of what is left
 * @param draw what the key draws of the pools
 */
export function ownerOfKey(
  strategy: Strategy,
  { usual, rest, draw }: { readonly usual: Plan; readonly rest: Plan; readonly draw: number },
  wish: Pick<Wish, 'key' | 'context'>,
): string | undefined {
  if (usual.unavailable !== undefined || rest.unavailable !== undefined) return undefined;
  const pool = poolAt(usual.pools, draw);
  const able = new Set(rest.pools.flatMap(({ members }) => members));
  const left = pool.members.filter((candidate) => able.has(candidate));
  const { members: base, registered } = pool;
  const { members, ...lists } =
    left.length > 0
      ? { members: left.length === base.length ? base : left, base, registered }
      : choiceAt(rest, usual, placeIn(usual.pools, pool, draw));
  return strategy.ownerOf?.(members, { ...wish, ...lists })?.instance.instanceId;
}
