import {
  GatewaySplit,
  LoadTracker,
  type NamedStrategies,
  rangeOf,
  type VersionShare,
  versionShareOf,
} from '../../balancing/index.js';
import {
  gatewayAt,
  isHttp,
  isSecure,
  type ServiceInstance,
  type ServiceSplit,
  type SplitPart,
  waysOf,
} from '../../model/index.js';
import { AdaptiveLimit, Bulkhead } from '../../resilience/index.js';
import { type InstanceDelta } from '../../transport/index.js';
import { Balancers } from './balancers.js';
import { type BreakerDeps, Breakers, type CircuitBreakerView } from './breakers.js';
import { changesBetween, deltaOf } from './instance-changes.js';
import { InstanceStates } from './instance-states.js';
import { type EjectionView, OutlierDetectors } from './outlier-detectors.js';
import { SharedPolicies } from './shared-policies.js';
import { UnreachableInstances } from './unreachable-instances.js';

/** Collaborators of a channel. */
export interface ChannelDeps extends BreakerDeps {
  readonly strategies: NamedStrategies;
  /** Why the address of an instance may lead elsewhere; undefined: nothing suggests so. */
  readonly addressDoubt?: (instance: ServiceInstance) => string | undefined;
  /** Whether calls go to instances with `https` alone. */
  readonly requireTls: boolean;
}

/** What a process has under way to one service. */
export interface ServiceLoad {
  readonly service: string;
  /** Attempts that were sent and are not over. */
  readonly inFlight: number;
  /** Calls that wait for a slot of a bulkhead or of the adaptive concurrency limit. */
  readonly queued: number;
}

/**
 * What this process knows of one service: its instances, their load, their breakers, the retry budget. Reconciled by
 * instance id, so that an update keeps the state of instances that stay.
 */
export class ServiceChannel {
  readonly states: InstanceStates;
  readonly balancers: Balancers;
  readonly outliers: OutlierDetectors;
  readonly unreachable: UnreachableInstances;
  /** Breakers of the service as a whole. */
  readonly breakers: Breakers;
  readonly shared = new SharedPolicies();
  /** How calls are split between a gateway and the instances; undefined: there is no gateway. */
  gatewaySplit: GatewaySplit | undefined;
  /** The share that a rollout gives to its version; undefined: there is no rollout. */
  versionShare: VersionShare | undefined;
  private readonly loads: LoadTracker;
  /** The list as received from the registry. */
  private registered: readonly ServiceInstance[] = [];
  private list: readonly ServiceInstance[] = [];
  private ways = waysOf(undefined);
  private gatewayUrl: string | undefined;

  constructor(
    readonly service: string,
    readonly deps: ChannelDeps,
  ) {
    const { clock, random, events, strategies } = deps;
    this.loads = new LoadTracker({ clock });
    this.states = new InstanceStates(service, deps);
    this.outliers = new OutlierDetectors(service, deps);
    this.unreachable = new UnreachableInstances(service, deps, this.loads);
    this.breakers = new Breakers({ service }, deps);
    this.balancers = new Balancers({ clock, random, events, strategies, loads: this.loads });
  }

  /** Instances that can receive calls: those that speak HTTP, with `requireTls` over TLS. */
  get instances(): readonly ServiceInstance[] {
    return this.list;
  }

  /** Where calls go: to instances, and to the gateway if it takes a share. */
  get destinations(): readonly ServiceInstance[] {
    const { gatewaySplit, list } = this;
    return gatewaySplit && gatewaySplit.share > 0 ? [...list, gatewaySplit.gateway] : list;
  }

  /** Instances that cannot receive calls: they need a client for another protocol, or `requireTls` excludes them. */
  get others(): readonly ServiceInstance[] {
    return this.list === this.registered ? [] : this.registered.filter((instance) => !this.isCallable(instance));
  }

  /** @returns instances for which to open and close connections; undefined: none */
  update(registered: readonly ServiceInstance[]): InstanceDelta | undefined {
    if (registered === this.registered) return undefined;
    this.registered = registered;
    const instances = this.callable(registered);
    const changes = changesBetween(this.list, instances);
    this.list = instances;
    this.states.update(this.destinations.length, changes);
    this.outliers.update(instances, changes);
    this.unreachable.update(instances, changes);
    if (changes.recovered.length > 0) this.breakers.halfOpen();
    for (const { instanceId } of [...changes.recovered, ...changes.replaced]) this.loads.forgive(instanceId);
    if (changes.joined.length > 0 || changes.left.length > 0) this.loads.retain(instances);
    this.tellDoubts(changes.joined);
    return deltaOf(changes);
  }

  /**
   * Follows how the calls are split.
   * @returns instances for which to open and close connections; undefined: none
   */
  follow(split: ServiceSplit | undefined): InstanceDelta | undefined {
    const ways = waysOf(split);
    if (ways === this.ways) return undefined;
    this.ways = ways;
    const before = this.gatewaySplit;
    this.versionShare = versionShareOf(split);
    const { via } = split ?? {};
    // The same object as before while the address stays, so that its connections and its circuit stay.
    const gateway = via && (via.url === this.gatewayUrl ? before?.gateway : gatewayAt(this.service, via.url));
    this.gatewayUrl = via?.url;
    this.gatewaySplit = gateway && via && new GatewaySplit(gateway, via.share, this.deps.random);
    if (before && before.gateway !== gateway) this.states.drop(before.gateway.instanceId);
    const was = before && before.share > 0 ? [before.gateway] : [];
    const is = gateway && via.share > 0 ? [gateway] : [];
    if (was[0] === is[0]) return undefined;
    return { joined: is, left: was };
  }

  /** The part of the split that an attempt goes to; undefined: calls are not split. */
  partOf(instance: ServiceInstance): SplitPart | undefined {
    const { gatewaySplit, versionShare } = this;
    if (instance === gatewaySplit?.gateway) return 'via';
    if (!versionShare) return gatewaySplit && 'direct';
    const { version } = instance;
    return version !== undefined && rangeOf(versionShare.version).has(version) ? 'canary' : 'stable';
  }

  /**
   * Records that an instance answered. If no instance could be reached before, the next ones tried are probed at once.
   */
  reached(instanceId: string, now: number): void {
    for (const other of this.unreachable.reached(instanceId, now)) this.states.find(other)?.breakers.halfOpen();
  }

  /** Records that connecting to an instance failed; ignored if that registration has left or been replaced. */
  notReached({ instanceId, generation }: ServiceInstance, error: unknown, now: number): void {
    if (this.states.find(instanceId)?.generation === generation) this.unreachable.failed(instanceId, error, now);
  }

  /** Returns the list itself if all can receive calls, the usual case. */
  private callable(instances: readonly ServiceInstance[]): readonly ServiceInstance[] {
    return instances.every((one) => this.isCallable(one)) ? instances : instances.filter((one) => this.isCallable(one));
  }

  private isCallable({ protocol }: ServiceInstance): boolean {
    return isHttp(protocol) && (isSecure(protocol) || !this.deps.requireTls);
  }

  private tellDoubts(joined: readonly ServiceInstance[]): void {
    const { addressDoubt, events } = this.deps;
    if (!addressDoubt) return;
    for (const instance of joined) {
      const reason = addressDoubt(instance);
      const { serviceName, instanceId, host } = instance;
      if (reason !== undefined) events.emit('instance.loopback', { key: { serviceName, instanceId }, host, reason });
    }
  }

  /** The calls of this process to the service that are under way. */
  load(): ServiceLoad {
    let queued = 0;
    for (const policy of this.shared.values()) {
      if (policy instanceof Bulkhead || policy instanceof AdaptiveLimit) queued += policy.queued;
    }
    let inFlight = 0;
    for (const { active } of this.states.values()) inFlight += active;
    return { service: this.service, inFlight, queued };
  }

  ejections(): EjectionView[] {
    return this.outliers.ejections();
  }

  circuitBreakers(): CircuitBreakerView[] {
    return [this.breakers, ...[...this.states.values()].map(({ breakers }) => breakers)].flatMap((breakers) =>
      breakers.views(),
    );
  }
}
