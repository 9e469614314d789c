import { ChaosPolicy, LastGoodCache } from '../../resilience/index.js';
import { type Transport } from '../../transport/index.js';
import { type ServiceView } from '../channel/service-view.js';
import { AdaptiveConcurrencyStage } from './adaptive-concurrency-stage.js';
import { type Attempts, SingleAttempts } from './attempts.js';
import { type Sender } from './attempt.js';
import { BulkheadStage } from './bulkhead-stage.js';
import { type BufferedResponse } from './buffered-response.js';
import { type CallDependencies } from './call.js';
import { ChaosSender } from './chaos-sender.js';
import { CoalescingStage, Flights } from './coalescing-stage.js';
import { DeadlineStage } from './deadline-stage.js';
import { HedgedAttempts } from './hedged-attempts.js';
import { LastGoodStage } from './last-good-stage.js';
import { RateLimitStage } from './rate-limit-stage.js';
import { RetryStage } from './retry-stage.js';
import { ServiceBreakerStage } from './service-breaker-stage.js';
import { type CallStage } from './stage.js';
import { ThrottlingStage } from './throttling-stage.js';

/** The stages of every call to one service by the same settings. */
export interface Pipeline {
  readonly view: ServiceView;
  readonly outermost: CallStage;
}

/** Puts the stages together, from the inside out; what is off is left out. */
export function buildPipeline(view: ServiceView, transport: Transport, deps: CallDependencies): Pipeline {
  const { settings, limits } = view;
  const { adaptiveConcurrency: adaptive, bulkhead, throttling, rateLimit, lastGood, coalescing } = settings;
  const { shared } = view.channel;
  let stage: CallStage = new RetryStage(settings.retry, buildAttempts(view, transport, deps));
  if (limits.breaker) stage = new ServiceBreakerStage(limits.breaker.options, limits.breaker.breaker, stage);
  if (adaptive && limits.adaptive) stage = new AdaptiveConcurrencyStage(adaptive, limits.adaptive, stage);
  if (bulkhead && limits.bulkhead) stage = new BulkheadStage(bulkhead, limits.bulkhead, stage);
  if (throttling && limits.throttling) stage = new ThrottlingStage(throttling, limits.throttling, stage);
  if (rateLimit && limits.rateLimit) stage = new RateLimitStage(rateLimit, limits.rateLimit, stage);
  stage = new DeadlineStage(settings, stage);
  if (coalescing)
    stage = new CoalescingStage(
      shared.of('coalescing', settings, () => new Flights()),
      stage,
    );
  if (lastGood) {
    const cache = shared.of('lastGood', lastGood, () => new LastGoodCache<BufferedResponse>(lastGood, deps));
    stage = new LastGoodStage(lastGood, cache, stage);
  }
  return { view, outermost: stage };
}

function buildAttempts(view: ServiceView, transport: Transport, deps: CallDependencies): Attempts {
  const { settings, service: name, limits } = view;
  const { chaos, hedging } = settings;
  const policy = chaos && new ChaosPolicy(chaos, { ...deps, name });
  const sender = senderOver(transport);
  const single = new SingleAttempts(settings, policy ? new ChaosSender(policy, sender) : sender);
  return hedging && limits.hedgeDelay ? new HedgedAttempts(hedging, limits.hedgeDelay, single) : single;
}

function senderOver(transport: Transport): Sender {
  return {
    send: (to, request, cancellation) =>
      transport.dispatch
        ? transport.dispatch(to, request, cancellation)
        : transport.send(to, request, cancellation.signal),
  };
}
