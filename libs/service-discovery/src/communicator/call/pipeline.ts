import { SingleAttempt } from './attempt.js';
import { DeadlineStage } from './deadline-stage.js';
import { RetryStage } from './retry-stage.js';
import { type CallStage } from './stage.js';

/** The stages of a call, put together from the inside out; the outermost one runs the call. */
export function buildPipeline(): CallStage {
  const attempts = new SingleAttempt();
  const retry = new RetryStage(attempts);
  return new DeadlineStage(retry);
}
