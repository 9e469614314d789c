import { type Random, ServiceDiscoveryError, type Outcome } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { WeylSequence } from './chooser.js';
import { type LoadBalancer, type PickContext, type PickResult } from './load-balancer.js';
import { type BalancingExplanation, type InstanceExplanation } from './selection/explanation.js';
import { unitHash } from './strategies/stable-hash.js';

/**
 * Splits the calls to a service between a gateway and its instances. Shares of 0 and 100 are exact. With any other share, one way
 * stands in for the other where that cannot take the call, and for a retry where everything there was tried.
 *
 * Calls that ask for a version or for tags go directly, since the gateway knows of neither. Calls with the same key go
 * the same way as long as the share stays.
 */
export class GatewaySplit {
  private readonly draws: WeylSequence;

  constructor(
    /** The gateway as an instance, which is not registered. */
    readonly gateway: ServiceInstance,
    /** Per cent of the calls that go through it. */
    readonly share: number,
    random: Random,
  ) {
    this.draws = new WeylSequence(random);
  }

  /** @param direct the balancer of the instances, up to date */
  pick(context: PickContext, direct: LoadBalancer): PickResult {
    if (this.share === 0 || this.asksForMore(context)) return direct.pick(context);
    if (this.share === 100) return this.refuses(context) ? UNAVAILABLE : new GatewayPick(this.gateway);
    const isFresh = !isTried(context, this.gateway);
    if (this.isDrawn(context) && isFresh && !this.isUnreachable(context) && !this.refuses(context)) {
      return new GatewayPick(this.gateway);
    }
    const picked = direct.pick(context);
    if (picked.kind === 'picked') {
      if (!isFresh || !isTried(context, picked.instance) || this.refuses(context)) return picked;
      picked.done(NOT_CALLED);
    } else if (this.refuses(context)) {
      return picked;
    }
    return new GatewayPick(this.gateway);
  }

  /** The instances and the gateway that a call may go to, of the instances that it may go to without a split. */
  among(instances: readonly ServiceInstance[], context: PickContext): readonly ServiceInstance[] {
    if (this.share === 0 || this.asksForMore(context)) return instances;
    return this.share === 100 ? [this.gateway] : [...instances, this.gateway];
  }

  explain(direct: BalancingExplanation, context: PickContext): BalancingExplanation {
    const share = this.asksForMore(context) ? 0 : this.share / 100;
    const instances = direct.instances.map((one) => (one.taken ? withShare(one, 1 - share) : one));
    const { instanceId, status, weight } = this.gateway;
    const gateway = { instanceId, status, weight, slowStart: 1, active: 0, latencyMs: 0 };
    return { ...direct, instances: [...instances, withShare({ ...gateway, taken: true }, share)] };
  }

  private isDrawn({ key }: PickContext): boolean {
    const draw = key === undefined ? this.draws.next() : unitHash(`via/${key}`);
    return draw * 100 < this.share;
  }

  private asksForMore({ version, tags, protocol }: PickContext): boolean {
    return (
      version !== undefined ||
      (tags !== undefined && tags.length > 0) ||
      (protocol !== undefined && protocol !== this.gateway.protocol)
    );
  }

  private refuses({ refusal }: PickContext): boolean {
    return refusal?.(this.gateway) !== undefined;
  }

  private isUnreachable({ unreachable }: PickContext): boolean {
    return unreachable?.has(this.gateway.instanceId) === true;
  }
}

function isTried({ exclude }: PickContext, { instanceId }: ServiceInstance): boolean {
  return exclude?.has(instanceId) === true;
}

function withShare(explained: InstanceExplanation, share: number): InstanceExplanation {
  if (share > 0) return { ...explained, poolShare: (explained.poolShare ?? 1) * share };
  return { ...explained, taken: false, stage: 'share', reason: 'all calls go the other way', poolShare: undefined };
}

const UNAVAILABLE: PickResult = { kind: 'unavailable', reason: 'none_available' };

/** The outcome of a pick that is not used. */
const NOT_CALLED: Outcome = {
  kind: 'error',
  error: new ServiceDiscoveryError('INVALID_REQUEST', 'The call went through the gateway'),
  neverSent: true,
  latencyMs: 0,
};

/** The gateway was picked. It needs no load state: it is no choice among others. */
class GatewayPick implements Extract<PickResult, { kind: 'picked' }> {
  readonly kind = 'picked';
  readonly failOpen = false;

  constructor(readonly instance: ServiceInstance) {}

  done(): void {
    // Breakers and connections are told by the call.
  }
}
