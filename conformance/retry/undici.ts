import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { BalancedPool, interceptors } from 'undici';
import { startServer } from '../support/http-server.js';
import { type RetryParts } from './retry-part.js';

/** Real time, so short. */
const SLOW_MS = 400;

/** Its retry is an interceptor composed onto a balanced pool. */
export const undiciRetry: RetryParts = {
  retry: async ({ attempts }, pace) => {
    const delayMs = pace === 'slow' ? SLOW_MS : 1;
    const fns = new Map<string, () => Promise<string>>();
    const server = await startServer((request, response) => {
      void fns.get(request.url ?? '')!().then(
        () => response.end(),
        () => response.writeHead(503).end(),
      );
    });
    const pool = new BalancedPool([server.origin]);
    const client = pool.compose(
      interceptors.retry({ maxRetries: attempts - 1, minTimeout: delayMs, maxTimeout: delayMs }),
    );
    return {
      delayMs,
      async call(fn, signal) {
        const path = `/${fns.size}`;
        fns.set(path, fn);
        const { statusCode, body } = await client.request({ method: 'GET', path, signal });
        await body.dump();
        if (statusCode >= 500) throw new Error(`status ${statusCode}`);
        return statusCode;
      },
      advance: (ms) => sleep(Math.max(ms, 50)),
      async close() {
        await pool.destroy();
        await server.close();
      },
    };
  },
  http: async (origin) => {
    const pool = new BalancedPool([origin]);
    const client = pool.compose(interceptors.retry({ maxRetries: 2, minTimeout: 50 }));
    return {
      async send({ method, path, body }) {
        const sent = body && Readable.from(body);
        const response = await client.request({ method, path, body: sent });
        await response.body.dump();
        return response.statusCode;
      },
      close: () => pool.destroy(),
    };
  },
};
