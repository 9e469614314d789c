import { type Clock, type Random } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type ResolvedLoadBalancingOptions } from '../load-balancing-options.js';
import { unitHash } from '../strategies/stable-hash.js';

/** An instance that does not have its full share yet. */
interface Warming {
  readonly since: number;
  /** Turns that it may take, with fractions; below 1 it skips one. */
  turns: number;
}

/** How many times per window the weights are updated. */
const STEPS = 100;

/**
 * Raises the share of instances that have just become available gradually, like Envoy's slow start, so that caches, pools
 * and compilers warm up before the full load arrives. An instance is identified by id and generation: a new generation is a
 * process that was restarted. Instances that come while there are no others get their full share at once, since no other
 * instance could take the rest.
 *
 * There is no timer: the factor is computed from the time whenever it is needed.
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

  /** @param usable the instances that take calls from now on */
  update(usable: readonly ServiceInstance[]): void {
    const now = this.clock.now();
    const staying = usable.filter(({ instanceId, generation }) => this.known.get(instanceId) === generation);
    const stays = new Set(staying.map(({ instanceId }) => instanceId));
    for (const instanceId of this.warming.keys()) if (!stays.has(instanceId)) this.warming.delete(instanceId);
    if (staying.length > 0) {
      for (const { instanceId } of usable) {
        // A random start, so that not all processes send a new instance its first call at the same time.
        if (!stays.has(instanceId)) this.warming.set(instanceId, { since: now, turns: this.random() });
      }
    }
    this.known = new Map(usable.map(({ instanceId, generation }) => [instanceId, generation]));
    this.nextStep = now;
  }

  /** Whether an instance may still be below its full share. */
  isWarming(instanceId: string): boolean {
    return this.warming.has(instanceId);
  }

  /** The fraction of its weight that counts now: above 0, up to 1. */
  factorOf(instanceId: string, now: number): number {
    const { window, aggression, minimumWeight } = this.options;
    const warming = this.warming.get(instanceId);
    if (!warming || now >= warming.since + window) return 1;
    return Math.max(minimumWeight, ((now - warming.since) / window) ** (1 / aggression));
  }

  /** Whether it is time to apply the factors again, including one last time after a window ends. */
  takeStep(now: number): boolean {
    if (this.warming.size === 0 || now < this.nextStep) return false;
    this.nextStep = now + this.options.window / STEPS;
    for (const [instanceId, { since }] of this.warming) {
      if (now >= since + this.options.window) this.warming.delete(instanceId);
    }
    return true;
  }

  /**
   * Whether an instance skips its turn: it takes a fraction of its turns, relative to the greatest factor among all that could
   * be called. With a key, it takes that fraction of the keys: always the same keys, and more over time.
   */
  skipsTurn(
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
    const fraction = this.factorOf(instanceId, now) / greatest;
    if (key !== undefined) return unitHash(`${instanceId}/${key}`) >= fraction;
    warming.turns += fraction;
    if (warming.turns < 1) return true;
    warming.turns -= 1;
    return false;
  }
}
