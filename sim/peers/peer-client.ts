import {
  type Clock,
  createLoadBalancer,
  type HttpMethod,
  type LoadBalancer,
  type LoadBalancing,
  type PickResult,
  type Random,
  type ServiceCallRequest,
  type ServiceInstance,
  type TransportError,
} from 'nest-service-discovery/core';
import { type World } from '../engine/world.js';
import { type Caller, type Setup } from './setup.js';

/** How an attempt of a peer failed. */
export interface PeerFailure {
  readonly method: HttpMethod;
  readonly kind: 'status' | 'timeout' | 'refused' | 'reset';
}

/** Consulted before a call; if closed, the call fails at once. */
export interface Gate {
  enter(): boolean;
  leave(isGood: boolean): void;
}

/** Consulted before a retry. */
export interface RetryAllowance {
  call(): void;
  /** Whether this retry may be made. */
  take(): boolean;
  /** Called when a permitted retry has ended. */
  ended?(): void;
  attempted?(isGood: boolean): void;
}

/** The relevant policy of another library or proxy: a model of its settings, without its code. */
export interface PeerPolicy {
  readonly loadBalancing: LoadBalancing;
  /** Timeout of one attempt. */
  readonly attemptTimeoutMs: number;
  /** Timeout of the whole call. @default none */
  readonly timeoutMs?: number;
  /** Including the first. */
  readonly maxAttempts: number;
  readonly retries: (failure: PeerFailure) => boolean;
  /** Delay before a retry; 1 for the first. @default none */
  readonly delayMs?: (retry: number, random: Random) => number;
  /** Whether a retry avoids the instances that were tried. @default false */
  readonly avoidsTried?: boolean;
  /** Wraps the whole call. */
  readonly gate?: (clock: Clock) => Gate;
  readonly allowance?: (clock: Clock) => RetryAllowance;
}

export function peer(name: string, policy: PeerPolicy): Setup {
  return { name, open: (world, process = 'caller') => new PeerClient(world, policy, process).call };
}

class PeerClient {
  private readonly random: Random;
  private readonly balancer: LoadBalancer;
  private readonly gate: Gate | undefined;
  private readonly allowance: RetryAllowance | undefined;

  constructor(
    private readonly world: World,
    private readonly policy: PeerPolicy,
    process: string,
  ) {
    const { clock } = world;
    this.random = world.random(process);
    this.balancer = createLoadBalancer(policy.loadBalancing, { clock, random: this.random });
    this.gate = policy.gate?.(clock);
    this.allowance = policy.allowance?.(clock);
  }

  readonly call: Caller = async (request) => {
    if (this.gate?.enter() === false) return false;
    const isGood = await this.attempts(request);
    this.gate?.leave(isGood);
    return isGood;
  };

  private async attempts({ method = 'GET', path }: ServiceCallRequest): Promise<boolean> {
    const { clock } = this.world;
    const { maxAttempts, retries, delayMs, avoidsTried, timeoutMs = Number.POSITIVE_INFINITY } = this.policy;
    const request = { method: method.toUpperCase() as HttpMethod, path, headers: {} };
    const deadline = clock.now() + timeoutMs;
    const tried = new Set<string>();
    this.allowance?.call();
    for (let attempt = 1; ; attempt++) {
      const picked = this.pick(avoidsTried ? tried : undefined);
      if (picked.kind === 'unavailable') return false;
      tried.add(picked.instance.instanceId);
      const began = clock.now();
      const failure = await this.send(picked.instance, request, deadline - began);
      const latencyMs = clock.now() - began;
      picked.done(
        failure === undefined || failure.kind === 'status'
          ? { kind: 'response', status: failure ? 503 : 200, latencyMs }
          : { kind: 'error', error: failure, latencyMs, neverSent: failure.kind === 'refused' },
      );
      this.allowance?.attempted?.(failure === undefined);
      if (attempt > 1) this.allowance?.ended?.();
      if (failure === undefined) return true;
      if (attempt >= maxAttempts || !retries(failure)) return false;
      const delay = delayMs?.(attempt, this.random) ?? 0;
      if (clock.now() + delay >= deadline || this.allowance?.take() === false) return false;
      if (delay > 0) await clock.after(delay);
    }
  }

  private pick(exclude?: ReadonlySet<string>): PickResult {
    this.balancer.update(this.world.instances());
    return this.balancer.pick({ exclude });
  }

  /** How the attempt failed; undefined if it succeeded. */
  private async send(
    to: ServiceInstance,
    request: { method: HttpMethod; path: string; headers: Record<string, string> },
    leftMs: number,
  ): Promise<PeerFailure | undefined> {
    const { clock, transport } = this.world;
    const { method } = request;
    // Without a signal, which would dominate the run time: a simulated server ignores aborts anyway.
    const answer = transport.send(to, request).then(
      ({ status }): PeerFailure | undefined => (status < 500 ? undefined : { method, kind: 'status' }),
      (error: TransportError): PeerFailure => ({ method, kind: error.neverSent ? 'refused' : 'reset' }),
    );
    return new Promise((resolve) => {
      const limitMs = Math.min(this.policy.attemptTimeoutMs, leftMs);
      const timer = clock.setTimer(() => resolve({ method, kind: 'timeout' }), limitMs);
      void answer.then((failure) => {
        timer.cancel();
        resolve(failure);
      });
    });
  }
}
