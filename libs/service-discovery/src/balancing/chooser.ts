import { type Clock } from '../common/index.js';
import { type SlowStart } from './slow-start.js';
import { type Candidate, choosePast, leftOf, type Strategy, type Wish } from './strategy.js';

/** So many are passed over one by one; more are taken out of the list. */
const MOST_PASSED = 16;
const NOBODY: readonly Candidate[] = [];

/** Lets a strategy choose, past those who cannot take the call or must not yet. */
export class Chooser {
  /** @param slowStart knows who must not have its whole share yet */
  constructor(
    private readonly strategy: Strategy,
    private readonly slowStart: SlowStart | undefined,
    private readonly clock: Clock,
  ) {}

  /**
   * One of the base that was not tried and does not refuse; undefined where there is none. Asking about those alone that
   * are chosen is cheaper than asking about all: a refusal is the exception. When it is not, all are asked.
   * @param known the candidates by id
   */
  willing(wish: Wish, known: ReadonlyMap<string, Candidate>): Candidate | undefined {
    const { exclude, refusal } = wish.context;
    let members = wish.base;
    let passed = exclude === undefined || exclude.size === 0 ? NOBODY : triedOf(members, exclude, known);
    for (let refused = 1; passed.length < members.length; refused++) {
      const chosen = this.choose(members, wish, passed);
      if (refusal?.(chosen.instance) === undefined) return chosen;
      passed = [...passed, chosen];
      if (refused < Math.log2(members.length)) continue;
      members = leftOf(members, passed).filter(({ instance }) => refusal(instance) === undefined);
      passed = NOBODY;
    }
    return undefined;
  }

  /**
   * One of the members apart from those that are passed over, which are not all of them. One that starts slowly passes a
   * part of its turns, where the strategy does not mind its weight by itself.
   */
  choose(members: readonly Candidate[], wish: Wish, passed: readonly Candidate[] = NOBODY): Candidate {
    let chosen = this.chooseOf(members, wish, passed);
    const { slowStart, strategy } = this;
    if (!slowStart?.isWarming(chosen.instance.instanceId)) return chosen;
    const { isWeighted } = wish.key === undefined ? (strategy.fallback ?? strategy) : strategy;
    if (isWeighted === true) return chosen;
    const now = this.clock.now();
    const all = leftOf(members, passed);
    let passing = passed;
    while (members.length - passing.length > 1 && slowStart.passes(chosen.instance.instanceId, all, now, wish.key)) {
      passing = [...passing, chosen];
      chosen = this.chooseOf(members, wish, passing);
    }
    return chosen;
  }

  private chooseOf(members: readonly Candidate[], wish: Wish, passed: readonly Candidate[]): Candidate {
    const isFew = passed.length <= MOST_PASSED;
    if (members === wish.base && isFew) return choosePast(this.strategy, passed, wish);
    return this.strategy.choose(leftOf(members, passed), wish);
  }
}

function triedOf(
  members: readonly Candidate[],
  exclude: ReadonlySet<string>,
  known: ReadonlyMap<string, Candidate>,
): readonly Candidate[] {
  if (exclude.size > MOST_PASSED) return members.filter(({ instance }) => exclude.has(instance.instanceId));
  const tried: Candidate[] = [];
  for (const instanceId of exclude) {
    const candidate = known.get(instanceId);
    if (candidate !== undefined && members.includes(candidate)) tried.push(candidate);
  }
  return tried;
}
