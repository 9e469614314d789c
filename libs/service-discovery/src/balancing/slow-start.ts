import { type Clock, type Random } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { unitHash } from './unit-hash.js';
import { type ResolvedLoadBalancingOptions } from './resolve-load-balancing-options.js';

/** An instance that has not its whole share yet. */
interface Warming {
  readonly since: number;
  /** How many of its turns it may take; below 1 it passes. */
  turns: number;
}

/** How often in a window weights follow the time. */
const STEPS = 100;

/**
 * Lets instances that have just become able to take calls have their share little by little, as Envoy's slow start
 * does, so that caches, pools and compilers warm up before the whole load comes. An instance is known by its id and
 * generation: one that registers anew has been started anew. Those that come when there is nobody yet have nobody to
 * leave their share to, and take it at once.
 *
 * There is no timer: how far an instance is follows from the time when somebody asks.
 */
export class SlowStart {
  private known = new Map<string, number>();
  private readonly warming = new Map<string, Warming>();
  private nextStep = 0;

  constructor(
    private readonly options: Exclude<ResolvedLoadBalancingOptions['slowStart'], false>,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** @param ready the instances that take calls from now on */
  update(ready: readonly ServiceInstance[]): void {
    const now = this.clock.now();
    const staying = ready.filter(({ instanceId, generation }) => this.known.get(instanceId) === generation);
    const stays = new Set(staying.map(({ instanceId }) => instanceId));
    for (const instanceId of this.warming.keys()) if (!stays.has(instanceId)) this.warming.delete(instanceId);
    if (staying.length > 0) {
      for (const { instanceId } of ready) {
        // Not all processes hand a new instance its first call at the same time.
        if (!stays.has(instanceId)) this.warming.set(instanceId, { since: now, turns: this.random() });
      }
    }
    this.known = new Map(ready.map(({ instanceId, generation }) => [instanceId, generation]));
    this.nextStep = now;
  }

  /** Whether an instance may not have its whole share yet. */
  isWarming(instanceId: string): boolean {
    return this.warming.has(instanceId);
  }

  /** The part of its weight that an instance has now: more than 0, up to 1. */
  factorOf(instanceId: string, now: number): number {
    const { window, aggression, minimumWeight } = this.options;
    const warming = this.warming.get(instanceId);
    if (!warming || now >= warming.since + window) return 1;
    return Math.max(minimumWeight, ((now - warming.since) / window) ** (1 / aggression));
  }

  /** Whether it is time to ask for the parts again. At the end of a window the last ones are asked for once more. */
  takeStep(now: number): boolean {
    if (this.warming.size === 0 || now < this.nextStep) return false;
    this.nextStep = now + this.options.window / STEPS;
    for (const [instanceId, { since }] of this.warming) {
      if (now >= since + this.options.window) this.warming.delete(instanceId);
    }
    return true;
  }

  /**
   * Whether an instance, whose turn it is, lets it pass: of its turns it takes the part that it has of the greatest
   * among all that could be called. With a key it takes that part of the keys, always the same ones and more with time.
   */
  passes(
    instanceId: string,
    all: readonly { readonly instance: ServiceInstance }[],
    now: number,
    key?: string,
  ): boolean {
    const warming = this.warming.get(instanceId);
    if (!warming) return false;
    let greatest = 0;
    for (const { instance } of all) {
      greatest = Math.max(greatest, this.factorOf(instance.instanceId, now));
      if (greatest === 1) break;
    }
    const part = this.factorOf(instanceId, now) / greatest;
    if (key !== undefined) return unitHash(`${instanceId}/${key}`) >= part;
    warming.turns += part;
    if (warming.turns < 1) return true;
    warming.turns -= 1;
    return false;
  }
}
