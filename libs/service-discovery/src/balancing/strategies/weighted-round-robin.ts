import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy, type PickArgs } from './strategy.js';
import { PerList } from './per-list.js';
import { TurnQueue } from './turn-queue.js';
import { WeightedSampler } from './weighted-sampler.js';

/** How many queues a new list may go on from: those of the lists that picks choose from by turns, such as zones. */
const QUEUES_KEPT = 4;
/** From 0 to 1. */
const NEARLY_THE_SAME = 0.9;

/**
 * In turn, each as often as its weight says. Over a full turn the shares are exact, at no point of it is anybody a whole
 * pick away from its exact share, and the picks of the heavy ones are spread out, not bunched.
 *
 * Each list that picks choose from has turns of its own. When it changes, its successor goes on from there.
 */
export class WeightedRoundRobin implements Strategy {
  readonly goesBy = 'turns by weight';
  readonly isWeighted = true;
  private readonly queues = new PerList((list: readonly Candidate[]) => this.queueFor(list));
  /** The newest first. */
  private recent: readonly TurnQueue[] = [];

  constructor(private readonly random: Random) {}

  choose(candidates: readonly Candidate[], { base }: PickArgs): Candidate {
    const queue = this.queues.of(base);
    if (candidates === base) return queue.take();
    // Who is on no list that picks choose from has no turns either.
    return (
      queue.takeAmong(candidates) ?? candidateAt(candidates, new WeightedSampler(candidates, this.random).sample())
    );
  }

  chooseExcept(skipped: readonly Candidate[], { base }: PickArgs): Candidate {
    return this.queues.of(base).takeExcept(skipped);
  }

  private queueFor(list: readonly Candidate[]): TurnQueue {
    const { before, likeness } = this.predecessorOf(list);
    const queue = new TurnQueue(list, this.random, before);
    // Where nearly all are the same, the list takes the place of the other.
    const others = likeness < NEARLY_THE_SAME ? this.recent : this.recent.filter((other) => other !== before);
    this.recent = [queue, ...others].slice(0, QUEUES_KEPT);
    return queue;
  }

  private predecessorOf(list: readonly Candidate[]): { readonly before?: TurnQueue; readonly likeness: number } {
    let likeness = 0;
    let before: TurnQueue | undefined;
    for (const queue of this.recent) {
      const other = queue.likenessTo(list);
      if (other <= likeness) continue;
      likeness = other;
      before = queue;
      if (likeness === 1) break;
    }
    return { before, likeness };
  }
}
