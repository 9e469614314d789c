import { type CallSettings } from '../options/index.js';
import { type CallStageDescription } from './stage.js';

/** The stages of one attempt. For speed they are not `Stage`s: `attempt.ts` and its helpers implement them. */
export function describeAttempt(settings: CallSettings): CallStageDescription[] {
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
