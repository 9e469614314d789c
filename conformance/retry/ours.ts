import { Readable } from 'node:stream';
import {
  MemoryRegistryStore,
  ResiliencePolicy,
  ServiceCommunicator,
  ServiceRegistry,
  UndiciTransport,
} from 'nest-service-discovery/core';
import { ManualClock } from 'nest-service-discovery/testing';
import { type HttpRetryPart, type RetryParts, type RetryPart } from './retry-part.js';

const SLOW_MS = 60_000;

async function ourHttpRetry(origin: string): Promise<HttpRetryPart> {
  const store = new MemoryRegistryStore();
  const registry = new ServiceRegistry(store);
  await registry.start();
  const { hostname: host, port } = new URL(origin);
  await registry.register({ serviceName: 'users', host, port: Number(port) }, { heartbeat: 'manual' });
  const transport = new UndiciTransport();
  const communicator = new ServiceCommunicator({ registry, transport });
  return {
    async send({ method, path, body }) {
      const response = await communicator.callService('users', {
        method,
        path,
        ...(body && { body: Readable.from(body) }),
      });
      await response.body.text();
      return response.status;
    },
    async close() {
      await registry.close();
      await store.close();
      await transport.close();
    },
  };
}

export const ourRetry: RetryParts = {
  retry: async ({ attempts, budget }, pace): Promise<RetryPart> => {
    const clock = new ManualClock();
    const delayMs = pace === 'slow' ? SLOW_MS : 0;
    const policy = new ResiliencePolicy(
      {
        retry: {
          maxAttempts: attempts,
          baseDelay: `${delayMs}ms`,
          maxDelay: `${Math.max(delayMs, 1)}ms`,
          jitter: 'none',
          budget: budget === undefined ? false : { ratio: budget, minPerSecond: 0 },
        },
      },
      { clock },
    );
    return {
      delayMs,
      call: (fn, signal) => policy.execute(fn, signal),
      advance: (ms) => clock.advanceAsync(ms),
      close: async () => undefined,
    };
  },
  http: ourHttpRetry,
};
