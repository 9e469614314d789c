import axios from 'axios';
import axiosRetry from 'axios-retry';
import CircuitBreaker from 'opossum';
import { type CallRequest, type Contender, inTurn, originsOf } from './contender.js';

/** A common combination: axios with axios-retry, wrapped in opossum's timeout and circuit breaker. */
export const axiosOpossum: Contender = {
  async setup(target) {
    const client = axios.create();
    axiosRetry(client, { retries: 2 });
    const next = inTurn(originsOf(target));
    const breaker = new CircuitBreaker(
      async ({ method, path, json }: CallRequest): Promise<unknown> => {
        const { data } = await client.request<unknown>({ method, url: next() + path, data: json });
        return data;
      },
      { timeout: 10_000, resetTimeout: 60_000 },
    );
    return { call: (request) => breaker.fire(request), close: async () => breaker.shutdown() };
  },
};
