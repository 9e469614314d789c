import {
  createLoadBalancer,
  type LoadBalancingStrategyName,
  type Outcome,
  type PickContext,
} from 'nest-service-discovery/core';
import { Strategies, type ActionEndpoint } from 'moleculer';
import { instancesOf } from '../../support/instances.js';
import { INSTANCE_COUNTS, type MicroCase, type MicroSubject } from '../micro-case.js';

/** A power of two, so that the index needs no division. */
const VARIETY = 1_024;
const LATENCIES = Array.from({ length: VARIETY }, (_, index): Outcome => {
  return { kind: 'response', status: 200, latencyMs: 1 + (index % 17) };
});

/** A call passes the time, which it has read anyway. */
const STEP_MS = 0.01;

/** Picks an instance and reports the outcome, as a call does: with a refusal check, tried instances and a key. */
export function picking(strategy: LoadBalancingStrategyName): MicroSubject {
  return { cases: INSTANCE_COUNTS.flatMap((count) => [ours(strategy, count), ...moleculers(strategy, count)]) };
}

function ours(strategy: LoadBalancingStrategyName, instances: number): MicroCase {
  const balancer = createLoadBalancer(strategy);
  balancer.update(instancesOf(instances, 1));
  let now = performance.now();
  const tried = new Set<string>();
  const contexts = Array.from({ length: VARIETY }, (_, index): PickContext => {
    return {
      key: `user-${index}`,
      clientIp: `10.0.${index >> 8}.${index & 255}`,
      exclude: tried,
      refusal: neverRefused,
      now,
    };
  });
  return {
    what: 'pick + done',
    instances,
    run(steps) {
      for (let step = 0; step < steps; step++) {
        const context = contexts[step % VARIETY]!;
        context.now = now += STEP_MS;
        const picked = balancer.pick(context);
        if (picked.kind === 'picked') picked.done(LATENCIES[step % VARIETY]!, now);
      }
    },
  };
}

function neverRefused(): undefined {
  return undefined;
}

/** Without filters, weights, breakers or load: only the choice. */
function moleculers(strategy: LoadBalancingStrategyName, instances: number): MicroCase[] {
  const makers: Partial<Record<LoadBalancingStrategyName, typeof Strategies.Base>> = {
    round_robin: Strategies.RoundRobin,
    random: Strategies.Random,
  };
  const make = makers[strategy] as (new () => InstanceType<typeof Strategies.Base>) | undefined;
  if (!make) return [];
  const chooser = new make();
  const endpoints = instancesOf(instances, 1).map(({ instanceId: id }) => ({ id })) as ActionEndpoint[];
  return [
    {
      what: 'pick + done',
      instances,
      peer: 'moleculer',
      run(steps) {
        for (let step = 0; step < steps; step++) chooser.select(endpoints);
      },
    },
  ];
}
