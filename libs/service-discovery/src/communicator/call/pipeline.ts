import {
  AdaptiveConcurrencyStage,
  BulkheadStage,
  chain,
  ChaosPolicy,
  CoalescingStage,
  DeadlineStage,
  Flights,
  HedgedAttempts,
  LastGoodCache,
  LastGoodStage,
  type Next,
  RateLimitStage,
  RetryStage,
  type Stage,
  ThrottlingStage,
} from '../../resilience/index.js';
import { type Transport } from '../../transport/index.js';
import { type ChannelView } from '../channel/channel-view.js';
import { type Attempt, type Sender } from './attempt.js';
import { type Call } from './call.js';
import { type CallDependencies } from './call-dependencies.js';
import { ChaosSender } from './chaos-sender.js';
import { describeAttempt } from './describe-attempt.js';
import { HttpAttempts } from './http-attempts.js';
import { ServiceBreakerStage } from './service-breaker-stage.js';
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
