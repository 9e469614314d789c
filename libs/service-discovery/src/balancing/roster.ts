import { differenceOf } from '../common/index.js';
import { haveSameId, type ServiceInstance } from '../model/index.js';
import { type Candidate, candidateAt } from './strategy.js';

/**
 * The candidates of a list of instances. Each lives as long as its id is listed, so what a strategy keeps in it survives
 * every update; and an update costs what it changes, apart from one look at each place of the list.
 */
export class Roster {
  private instances: readonly ServiceInstance[] = [];
  /** In the order of the list. */
  private listed: readonly Candidate[] = [];
  private readonly known = new Map<string, Candidate>();

  /**
   * @param admit makes the candidate of an id that is new
   * @param areAlike whether two states of an instance are the same to whoever chooses
   */
  constructor(
    private readonly admit: (instance: ServiceInstance) => Candidate,
    private readonly areAlike: (before: ServiceInstance, after: ServiceInstance) => boolean,
  ) {}

  get list(): readonly ServiceInstance[] {
    return this.instances;
  }

  get candidates(): readonly Candidate[] {
    return this.listed;
  }

  get byId(): ReadonlyMap<string, Candidate> {
    return this.known;
  }

  /** @returns whether whoever chooses has to look again: somebody came, went, moved, or is not as before */
  update(instances: readonly ServiceInstance[]): boolean {
    const { instances: before, listed } = this;
    const { start, endBefore, endAfter } = differenceOf(before, instances, haveSameId);
    this.instances = instances;
    const isInPlace = start === endBefore && start === endAfter;
    if (!isInPlace) {
      const between = this.replace(listed.slice(start, endBefore), instances.slice(start, endAfter));
      this.listed = [...listed.slice(0, start), ...between, ...listed.slice(endBefore)];
    }
    const isFirstAlike = this.renew(before, 0, 0, start);
    const isRestAlike = this.renew(before, endAfter - endBefore, endAfter, instances.length);
    return !(isInPlace && isFirstAlike && isRestAlike);
  }

  /**
   * Admits anew whose load was forgotten: they had left, in a list that did not come here.
   * @returns whether there are any
   */
  readmit(): boolean {
    if (!this.listed.some(({ load }) => load.isForgotten)) return false;
    this.listed = this.listed.map((candidate) => {
      if (!candidate.load.isForgotten) return candidate;
      const anew = this.admit(candidate.instance);
      this.known.set(candidate.instance.instanceId, anew);
      return anew;
    });
    return true;
  }

  /** Finds by their ids those who come in the place of others, and forgets those who are not among them. */
  private replace(before: readonly Candidate[], after: readonly ServiceInstance[]): readonly Candidate[] {
    const candidates = after.map((instance) => {
      const { instanceId, weight } = instance;
      let candidate = this.known.get(instanceId);
      if (!candidate) this.known.set(instanceId, (candidate = this.admit(instance)));
      candidate.instance = instance;
      candidate.weight = weight;
      return candidate;
    });
    const staying = new Set(candidates);
    for (const candidate of before) if (!staying.has(candidate)) this.known.delete(candidate.instance.instanceId);
    return candidates;
  }

  /**
   * Hands the new states on to those who stay in their places.
   * @param shift how many places further they stand in the new list
   * @returns whether all are as before
   */
  private renew(before: readonly ServiceInstance[], shift: number, from: number, to: number): boolean {
    const { instances, listed } = this;
    let areAlike = true;
    for (let place = from; place < to; place++) {
      const [old, instance] = [before[place - shift], instances[place]];
      if (old === instance || old === undefined || instance === undefined) continue;
      const candidate = candidateAt(listed, place);
      candidate.instance = instance;
      if (this.areAlike(old, instance)) continue;
      candidate.weight = instance.weight;
      areAlike = false;
    }
    return areAlike;
  }
}

/** The candidates of a part of a roster's list, whose members come in its order. */
export function candidatesOf(
  members: readonly ServiceInstance[],
  { list, candidates }: Pick<Roster, 'list' | 'candidates'>,
): readonly Candidate[] {
  if (members === list) return candidates;
  let place = 0;
  return members.map((member) => {
    while (list[place] !== member && place < list.length) place++;
    return candidateAt(candidates, place++);
  });
}
