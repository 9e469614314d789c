import { type PeerFailure, type PeerPolicy } from './peer-client.js';
import { concurrentRetries, retryTokens, rollingErrorRate } from './guards.js';

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
const isIdempotent = ({ method }: PeerFailure): boolean => IDEMPOTENT.has(method);
const NEVER = (): boolean => false;

/** Timeouts of a scenario's callers. They replace longer defaults of peers. */
interface Patience {
  /** Timeout of one attempt, in milliseconds. */
  readonly attemptTimeoutMs: number;
}

/** Round robin, one attempt. */
export function noRetries({ attemptTimeoutMs }: Patience): PeerPolicy {
  return { loadBalancing: 'round_robin', attemptTimeoutMs, maxAttempts: 1, retries: NEVER };
}

/** A hand-written loop around the call: retries at once, on any error and any instance. */
export function plainRetries({ attemptTimeoutMs }: Patience, maxAttempts = 3): PeerPolicy {
  return { loadBalancing: 'round_robin', attemptTimeoutMs, maxAttempts, retries: isIdempotent };
}

/** Plain retries with exponential backoff and full jitter, as textbooks recommend. */
export function retriesWithBackoff(patience: Patience, baseMs: number, maxAttempts = 3): PeerPolicy {
  const delayMs: PeerPolicy['delayMs'] = (retry, random) => random() * baseMs * 2 ** (retry - 1);
  return { ...plainRetries(patience, maxAttempts), delayMs };
}

/**
 * axios-retry's defaults: 3 retries without a delay, of network errors with any method and of 5xx with idempotent ones,
 * none after a timeout. The instance is chosen by whatever is in front of them: here a proxy at random, like a
 * Kubernetes service.
 */
export function axiosRetry({ attemptTimeoutMs }: Patience): PeerPolicy {
  const retries = (failure: PeerFailure): boolean =>
    failure.kind !== 'timeout' && (failure.kind !== 'status' || isIdempotent(failure));
  return { loadBalancing: 'random', attemptTimeoutMs, maxAttempts: 4, retries };
}

/** opossum's defaults around a call: opens for 30 s when half of the calls of the last 10 s failed. No retries. */
export function opossum(patience: Patience): PeerPolicy {
  return {
    ...noRetries(patience),
    gate: (clock) => rollingErrorRate(clock, { share: 0.5, windowMs: 10_000, openMs: 30_000 }),
  };
}

/** The same around a loop of three attempts. */
export function opossumWithRetries(patience: Patience): PeerPolicy {
  return { ...plainRetries(patience), gate: opossum(patience).gate };
}

/**
 * Envoy's defaults with `retry_on: 5xx`: one retry after up to 25 ms, at most 3 concurrent ones for the whole cluster.
 */
export function envoy({ attemptTimeoutMs }: Patience): PeerPolicy {
  return {
    loadBalancing: 'round_robin',
    attemptTimeoutMs,
    maxAttempts: 2,
    retries: (failure) => failure.kind !== 'timeout',
    delayMs: (_retry, random) => random() * 25,
    allowance: () => concurrentRetries(3),
  };
}

/** gRPC's `retryThrottling` with the values of its guide (10 tokens, 0.1 back for a success), 4 attempts. */
export function grpc({ attemptTimeoutMs }: Patience): PeerPolicy {
  return {
    loadBalancing: 'round_robin',
    attemptTimeoutMs,
    maxAttempts: 4,
    retries: (failure) => failure.kind !== 'timeout' && failure.kind !== 'reset',
    delayMs: (retry, random) => (0.8 + 0.4 * random()) * 100 * 2 ** (retry - 1),
    allowance: () => retryTokens(10, 0.1),
  };
}

/** Kong's defaults: 5 retries on connection errors and timeouts, on untried targets; any status is an answer. */
export function kong({ attemptTimeoutMs }: Patience): PeerPolicy {
  return {
    loadBalancing: 'round_robin',
    attemptTimeoutMs,
    maxAttempts: 6,
    avoidsTried: true,
    retries: (failure) => failure.kind === 'refused' || (failure.kind !== 'status' && isIdempotent(failure)),
  };
}
