import { setMaxListeners } from 'node:events';
import { Pool } from 'undici';
import { type Contender, inTurn, originsOf } from './contender.js';

/** Undici wrapped in cockatiel's retry, circuit breaker and timeout, whose signal cancels the request. */
export const undiciCockatiel: Contender = {
  async setup(target) {
    // Cockatiel adds a listener per call to a signal created at load time.
    setMaxListeners(0);
    const { circuitBreaker, ConsecutiveBreaker, ExponentialBackoff, handleAll, retry, timeout, TimeoutStrategy, wrap } =
      await import('cockatiel');
    const pools = originsOf(target).map((origin) => new Pool(origin));
    const next = inTurn(pools);
    const policy = wrap(
      retry(handleAll, { maxAttempts: 2, backoff: new ExponentialBackoff() }),
      circuitBreaker(handleAll, { halfOpenAfter: 60_000, breaker: new ConsecutiveBreaker(5) }),
      timeout(10_000, TimeoutStrategy.Aggressive),
    );
    return {
      call: ({ method, path, json }) =>
        policy.execute(async ({ signal }) => {
          const { body } = await next().request(
            json
              ? { method, path, signal, headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) }
              : { method, path, signal },
          );
          return body.json();
        }),
      close: () => Promise.all(pools.map((pool) => pool.close())),
    };
  },
};
