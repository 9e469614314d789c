import { differenceOf } from '../common/index.js';
import { haveSameId, type ServiceInstance } from '../model/index.js';
import { type Candidate, candidateAt } from './strategies/strategy.js';

/**
 * The candidates of a list of instances. A candidate lives as long as its id is listed, so what a strategy stores in it
 * survives every update. Apart from one comparison per list entry, an update costs only what it changes.
 */
export class CandidateList {
  private instances: readonly ServiceInstance[] = [];
  /** In list order. */
  private listed: readonly Candidate[] = [];
  private readonly known = new Map<string, Candidate>();

  /**
   * @param admit creates the candidate of a new id
   * @param areAlike whether two states of an instance are equivalent to every pick
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

  /** @returns whether plans have to be made again: an instance was added, removed, moved, or differs for picks */
  update(instances: readonly ServiceInstance[]): boolean {
    const { instances: before, listed } = this;
    const { start, endBefore, endAfter } = differenceOf(before, instances, haveSameId);
    this.instances = instances;
    const isInPlace = start === endBefore && start === endAfter;
    if (!isInPlace) {
      const between = this.replace(listed.slice(start, endBefore), instances.slice(start, endAfter));
      this.listed = [...listed.slice(0, start), ...between, ...listed.slice(endBefore)];
    }
    const isFirstAlike = this.refresh(before, 0, 0, start);
    const isRestAlike = this.refresh(before, endAfter - endBefore, endAfter, instances.length);
    return !(isInPlace && isFirstAlike && isRestAlike);
  }

  /**
   * Admits again the candidates whose load was forgotten because they were missing from a list that did not come here.
   * @returns whether there are any
   */
  readmit(): boolean {
    if (!this.listed.some(({ load }) => load.isForgotten)) return false;
    this.listed = this.listed.map((candidate) => {
      if (!candidate.load.isForgotten) return candidate;
      const admitted = this.admit(candidate.instance);
      this.known.set(candidate.instance.instanceId, admitted);
      return admitted;
    });
    return true;
  }

  /** Finds or admits the candidates of the changed part of the list, and forgets those that are no longer in it. */
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
   * Gives candidates that keep their place their new states.
   * @param shift how much further back each of them is in the new list
   * @returns whether all new states are equivalent to the old ones
   */
  private refresh(before: readonly ServiceInstance[], shift: number, from: number, to: number): boolean {
    const { instances, listed } = this;
    let areAlike = true;
    for (let index = from; index < to; index++) {
      const [old, instance] = [before[index - shift], instances[index]];
      if (old === instance || old === undefined || instance === undefined) continue;
      const candidate = candidateAt(listed, index);
      candidate.instance = instance;
      if (this.areAlike(old, instance)) continue;
      candidate.weight = instance.weight;
      areAlike = false;
    }
    return areAlike;
  }
}

/** The candidates of some of the list's instances, which have to be in list order. */
export function candidatesOf(
  members: readonly ServiceInstance[],
  { list, candidates }: Pick<CandidateList, 'list' | 'candidates'>,
): readonly Candidate[] {
  if (members === list) return candidates;
  let index = 0;
  return members.map((member) => {
    while (list[index] !== member && index < list.length) index++;
    return candidateAt(candidates, index++);
  });
}
