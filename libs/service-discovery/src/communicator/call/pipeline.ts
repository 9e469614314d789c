import { ChaosPolicy, LastGoodCache } from '../../resilience/index.js';
import { type Transport } from '../../transport/index.js';
import { type ServiceView } from '../channel/service-view.js';
import { SingleAttempts } from './attempts.js';
import { type CallDependencies } from './call.js';
import { ChaosSender } from './chaos-sender.js';
import { CoalescingStage, Flights } from './coalescing-stage.js';
import { DeadlineStage } from './deadline-stage.js';
import { LastGoodStage } from './last-good-stage.js';
import { RetryStage } from './retry-stage.js';
import { type CallStage } from './stage.js';

/** The stages of every call to one service by the same settings. */
export interface Pipeline {
  readonly view: ServiceView;
  readonly outermost: CallStage;
}

/** Puts the stages together, from the inside out; what is off is left out. */
export function buildPipeline(view: ServiceView, transport: Transport, deps: CallDependencies): Pipeline {
  const { settings, shared } = view;
  const { chaos, lastGood } = settings;
  const sender = chaos
    ? new ChaosSender(new ChaosPolicy(chaos, { ...deps, name: view.service }), transport)
    : transport;
  const attempts = new SingleAttempts(settings, sender);
  let stage: CallStage = new RetryStage(settings.retry, attempts);
  stage = new DeadlineStage(settings, stage);
  if (settings.coalescing)
    stage = new CoalescingStage(
      shared.of('coalescing', settings, () => new Flights()),
      stage,
    );
  if (lastGood)
    stage = new LastGoodStage(
      lastGood,
      shared.of('lastGood', lastGood, () => new LastGoodCache(lastGood, deps)),
      stage,
    );
  return { view, outermost: stage };
}
