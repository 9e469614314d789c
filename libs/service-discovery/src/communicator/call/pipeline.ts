import {
  AdaptiveConcurrencyStage,
  BulkheadStage,
  chain,
  ChaosPolicy,
  type CircuitBreaker,
  CoalescingStage,
  DeadlineStage,
  Flights,
  HedgedAttempts,
  LastGoodCache,
  LastGoodStage,
  type Next,
  RateLimitStage,
  refused,
  type ResolvedCircuitBreakerOptions,
  RetryStage,
  type Stage,
  ThrottlingStage,
} from '../../resilience/index.js';
import { type Transport } from '../../transport/index.js';
import { type ChannelView } from '../channel/channel-view.js';
import { type CallSettings } from '../options/index.js';
import { type Attempt, type Sender } from './attempt.js';
import { type CallDependencies } from './call-dependencies.js';
import { type Call } from './call.js';
import { ChaosSender } from './chaos-sender.js';
import { HttpAttempts } from './http-attempts.js';
import { type CallStageDescription, type ServiceStageDescription } from './stage.js';

type ServiceStage = Stage<Call<unknown>, ServiceStageDescription>;
type Attempts = RetryStage<Call<unknown>, Attempt<unknown>>;

/** The stages for all calls to one service with the same settings, assembled once; disabled stages are left out. */
export class Pipeline {
  readonly outermost: Next<Call<unknown>, unknown>;
  private readonly stages: readonly ServiceStage[];
  private readonly attempts: Attempts;

  constructor(
    readonly view: ChannelView,
    transport: Transport,
    deps: CallDependencies,
  ) {
    this.stages = stagesOf(view, deps);
    this.attempts = attemptsOf(view, transport, deps);
    this.outermost = chain(this.stages, this.attempts);
  }

  /** Outermost first. */
  describe(): CallStageDescription[] {
    const ofService = [...this.stages.map(({ description }) => description), ...this.attempts.describe()];
    return [
      ...ofService.map((description) => ({ ...description, per: 'service' as const })),
      ...describeAttempt(this.view.settings),
    ];
  }
}

function stagesOf({ settings, limits, channel }: ChannelView, deps: CallDependencies): ServiceStage[] {
  const { adaptiveConcurrency, bulkhead, throttling, rateLimit, lastGood, coalescing } = settings;
  const { shared } = channel;
  const stages: ServiceStage[] = [];
  if (lastGood) {
    const cache = shared.of('lastGood', lastGood, () => new LastGoodCache(lastGood, deps));
    stages.push(new LastGoodStage(lastGood, cache));
  }
  if (coalescing) {
    const flights = shared.of('coalescing', settings, () => new Flights<Call<unknown>>());
    stages.push(new CoalescingStage(flights));
  }
  stages.push(new DeadlineStage(settings.timeoutMs));
  if (rateLimit && limits.rateLimit) stages.push(new RateLimitStage(rateLimit, limits.rateLimit));
  if (throttling && limits.throttling) stages.push(new ThrottlingStage(throttling, limits.throttling));
  if (bulkhead && limits.bulkhead) stages.push(new BulkheadStage(bulkhead, limits.bulkhead));
  if (adaptiveConcurrency && limits.adaptive) {
    stages.push(new AdaptiveConcurrencyStage(adaptiveConcurrency, limits.adaptive));
  }
  if (limits.breaker) stages.push(new ServiceBreakerStage(limits.breaker.options, limits.breaker.breaker));
  return stages;
}

function attemptsOf(
  { settings, service: name, limits }: ChannelView,
  transport: Transport,
  deps: CallDependencies,
): Attempts {
  const { chaos, hedging, retry } = settings;
  const { budget, hedgeDelay } = limits;
  const sender = senderOver(transport);
  const driver = new HttpAttempts(chaos ? new ChaosSender(new ChaosPolicy(chaos, { ...deps, name }), sender) : sender);
  const maxAttempts = retry?.maxAttempts ?? Number.POSITIVE_INFINITY;
  const hedged =
    hedging && hedgeDelay
      ? new HedgedAttempts(hedging, driver, { clock: deps.clock, delay: hedgeDelay, budget, maxAttempts })
      : undefined;
  return new RetryStage(retry ?? undefined, driver, { random: deps.random, budget, hedged });
}

function senderOver(transport: Transport): Sender {
  return {
    send: (to, request, cancellation) =>
      transport.dispatch
        ? transport.dispatch(to, request, cancellation)
        : transport.send(to, request, cancellation.signal),
  };
}

/** The stages of one attempt. For speed they are not `Stage`s: `attempt.ts` and its helpers implement them. */
function describeAttempt(settings: CallSettings): CallStageDescription[] {
  const {
    strategyName: strategy,
    balancing,
    circuitBreaker,
    concurrency,
    attemptTimeoutMs,
    leavesRoom,
    chaos,
    outlierDetection,
  } = settings;
  const stages: CallStageDescription[] = [
    {
      stage: 'load_balancing',
      per: 'service',
      purpose: 'Picks an instance that matches and can take the call; those already tried come last.',
      options: { strategy, ...balancing },
    },
  ];
  if (circuitBreaker) {
    stages.push({
      stage: 'circuit_breaker',
      per: 'instance',
      purpose: 'Refuses an instance that keeps failing. Before the timer, because what is refused takes no time.',
      options: { ...circuitBreaker },
    });
  }
  if (outlierDetection) {
    stages.push({
      stage: 'outlier_detection',
      per: 'service',
      purpose: 'Compares the instances with each other, and has picks avoid for a while the one that does worse.',
      options: { ...outlierDetection },
    });
  }
  if (Number.isFinite(concurrency)) {
    stages.push({
      stage: 'concurrency',
      per: 'instance',
      purpose: 'Limits the calls that run at one instance; further ones go to others.',
      options: { concurrency },
    });
  }
  stages.push({
    stage: 'attempt_timeout',
    per: 'instance',
    purpose: leavesRoom
      ? 'Limits one attempt, so that another one may follow: to half of what is left of a call that is no longer, while ' +
        'another instance can be tried.'
      : 'Limits one attempt, so that another one may follow.',
    options: { attemptTimeoutMs },
  });
  if (chaos) {
    const purpose = 'Injects faults, latency and outcomes, which to all other stages look like those of the instance.';
    stages.push({ stage: 'chaos', per: 'instance', purpose, options: { ...chaos } });
  }
  return stages;
}

/** Refuses calls to a service that keeps failing as a whole. */
class ServiceBreakerStage implements Stage<Call<unknown>, ServiceStageDescription> {
  constructor(
    private readonly options: ResolvedCircuitBreakerOptions,
    private readonly breaker: CircuitBreaker,
  ) {}

  get description(): ServiceStageDescription {
    return {
      stage: 'service_circuit_breaker',
      purpose:
        'Refuses calls to a service that keeps failing as a whole. Outside of the retry, so that it counts the final ' +
        'outcome of each call, and a refusal is not retried; inside of the limits, whose refusals say nothing about the service.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Call<unknown>, next: Next<Call<unknown>, T>): Promise<T> {
    const permit = this.breaker.tryAcquire();
    if (!permit) throw refused(call, 'service_circuit_breaker', this.breaker.refusal());
    try {
      return await next.run(call);
    } finally {
      permit.settle(call.counted);
    }
  }
}
