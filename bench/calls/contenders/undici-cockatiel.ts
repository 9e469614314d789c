import { setMaxListeners } from 'node:events';
import { Pool } from 'undici';
import { type Contender, inTurn, originsOf } from './contender.js';

/** Undici, with cockatiel's retry, circuit breaker and timeout around it; the timeout's signal ends the request. */
export const undiciCockatiel: Contender = {
  async setup(target) {
    // Cockatiel listens once for each call under way to a signal that it makes when it is loaded.
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
