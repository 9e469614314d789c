import { type Clock, type Random } from '../common/index.js';
import { type SlowStart } from './load/slow-start.js';
import { type Candidate, chooseSkipping, excluding, type PickArgs, type Strategy } from './strategies/strategy.js';

/** Up to this many candidates are skipped one by one; beyond, the list is filtered. */
const MAX_SKIPPED = 16;
const NONE: readonly Candidate[] = [];

/** Lets a strategy choose, skipping candidates that cannot take the call or have to skip turns during slow start. */
export class Chooser {
  constructor(
    private readonly strategy: Strategy,
    private readonly slowStart: SlowStart | undefined,
    private readonly clock: Clock,
  ) {}

  /**
   * One of the base that was not tried and does not refuse; undefined if there is none. Refusals are rare, so only chosen
   * candidates are asked at first; after a few refusals all of them are asked.
   * @param known the candidates by id
   */
  chooseAccepting(args: PickArgs, known: ReadonlyMap<string, Candidate>): Candidate | undefined {
    const { exclude, refusal } = args.context;
    let members = args.base;
    let skipped = exclude === undefined || exclude.size === 0 ? NONE : triedOf(members, exclude, known);
    for (let refused = 1; skipped.length < members.length; refused++) {
      const chosen = this.choose(members, args, skipped);
      if (refusal?.(chosen.instance) === undefined) return chosen;
      skipped = [...skipped, chosen];
      if (refused < Math.log2(members.length)) continue;
      members = excluding(members, skipped).filter(({ instance }) => refusal(instance) === undefined);
      skipped = NONE;
    }
    return undefined;
  }

  /**
   * One of the members without those skipped, which must not be all of them. If the strategy is not weighted, a candidate in
   * slow start skips part of its turns.
   */
  choose(members: readonly Candidate[], args: PickArgs, skipped: readonly Candidate[] = NONE): Candidate {
    let chosen = this.chooseFrom(members, args, skipped);
    const { slowStart, strategy } = this;
    if (!slowStart?.isWarming(chosen.instance.instanceId)) return chosen;
    const { isWeighted } = args.key === undefined ? (strategy.fallback ?? strategy) : strategy;
    if (isWeighted === true) return chosen;
    const now = this.clock.now();
    const all = excluding(members, skipped);
    let skipping = skipped;
    while (
      members.length - skipping.length > 1 &&
      slowStart.skipsTurn(chosen.instance.instanceId, all, now, args.key)
    ) {
      skipping = [...skipping, chosen];
      chosen = this.chooseFrom(members, args, skipping);
    }
    return chosen;
  }

  private chooseFrom(members: readonly Candidate[], args: PickArgs, skipped: readonly Candidate[]): Candidate {
    const isFew = skipped.length <= MAX_SKIPPED;
    if (members === args.base && isFew) return chooseSkipping(this.strategy, skipped, args);
    return this.strategy.choose(excluding(members, skipped), args);
  }
}

function triedOf(
  members: readonly Candidate[],
  exclude: ReadonlySet<string>,
  known: ReadonlyMap<string, Candidate>,
): readonly Candidate[] {
  if (exclude.size > MAX_SKIPPED) return members.filter(({ instance }) => exclude.has(instance.instanceId));
  const tried: Candidate[] = [];
  for (const instanceId of exclude) {
    const candidate = known.get(instanceId);
    if (candidate !== undefined && members.includes(candidate)) tried.push(candidate);
  }
  return tried;
}

/** The golden ratio's fractional part: worst approximated by fractions, so its multiples fill [0, 1) evenly. */
const STEP = 0.618_033_988_749_894_8;

/**
 * A low-discrepancy sequence in [0, 1) (Weyl's, of the golden ratio): in any run of consecutive numbers, every interval gets
 * its share to within two or three. Random numbers would need runs hundreds of times as long. The start is random, so that
 * processes that start together are not in step.
 */
export class WeylSequence {
  private last: number | undefined;

  constructor(private readonly random: Random) {}

  next(): number {
    this.last = this.last === undefined ? this.random() : this.last + STEP;
    if (this.last >= 1) this.last -= 1;
    return this.last;
  }
}
