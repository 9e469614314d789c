import { Readable } from 'node:stream';
import { unwatched } from '../support/held.js';
import { startServer } from '../support/http-server.js';
import { expectThat, part, type Scenario } from '../support/scenario.js';
import { type RetryPart, type RetrySettings } from './retry-part.js';

/** Runs a scenario on retries of a function. */
function onRetry(
  name: string,
  fault: string,
  settings: RetrySettings & { pace: 'slow' | 'at_once' },
  run: (retry: RetryPart) => Promise<void>,
): Scenario {
  return {
    name,
    fault,
    async run({ retry: parts }) {
      const retry = await part(parts?.retry)(settings, settings.pace);
      try {
        await run(retry);
      } finally {
        await retry.close();
      }
    },
  };
}

interface Arrived {
  readonly atMs: number;
  readonly body: string;
}

/** Runs a scenario on retries over HTTP: a server records what arrives, and answers as told. */
function onHttp(
  name: string,
  fault: string,
  answer: (nth: number) => { status: number; headers?: Record<string, string> },
  run: (send: (body?: string) => Promise<void>, arrived: readonly Arrived[]) => Promise<void>,
): Scenario {
  return {
    name,
    fault,
    async run({ retry: parts }) {
      const make = part(parts?.http);
      const arrived: Arrived[] = [];
      const server = await startServer((request, response) => {
        const atMs = performance.now();
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          arrived.push({ atMs, body: Buffer.concat(chunks).toString() });
          const { status, headers } = answer(arrived.length);
          response.writeHead(status, headers).end();
        });
      });
      const client = await make(server.origin);
      try {
        await run(async (body) => {
          const method = body === undefined ? 'GET' : 'PUT';
          // An error may be right; the recorded requests decide.
          await client
            .send({ method, path: '/', ...(body !== undefined && { body: Readable.from([body]) }) })
            .catch(() => undefined);
        }, arrived);
      } finally {
        await client.close();
        await server.close();
      }
    },
  };
}

export const retryScenarios: readonly Scenario[] = [
  onRetry(
    'abort during a backoff rejects at once and calls nothing after',
    'a caller who has left is kept waiting, and the service is called in vain',
    { attempts: 3, pace: 'slow' },
    async (retry) => {
      let calls = 0;
      let over = false;
      const caller = new AbortController();
      const call = retry.call(async () => {
        calls++;
        throw new Error('down');
      }, caller.signal);
      unwatched(call.finally(() => (over = true)));
      await retry.advance(retry.delayMs / 4);
      expectThat(calls === 1, `${calls} calls are made before the first delay is over`);
      caller.abort();
      await retry.advance(0);
      expectThat(over, 'the call goes on when its caller has left');
      await retry.advance(3 * retry.delayMs);
      expectThat(calls === 1, 'the service is called again for a caller who has left');
    },
  ),
  onHttp(
    'Retry-After is obeyed',
    'a service that asks for a pause gets none',
    (nth) => (nth === 1 ? { status: 503, headers: { 'retry-after': '1' } } : { status: 200 }),
    async (send, arrived) => {
      await send();
      const [first, second] = arrived;
      expectThat(second !== undefined, 'there is no second attempt');
      const waited = second!.atMs - first!.atMs;
      // The two clocks may differ by a few milliseconds.
      expectThat(waited >= 990, `the second attempt comes after ${Math.round(waited)} ms where 1000 are asked for`);
    },
  ),
  onRetry(
    'a retry budget bounds amplification',
    'when a service rejects everything, retries multiply what it has to reject',
    { attempts: 3, budget: 0.1, pace: 'at_once' },
    async (retry) => {
      let attempts = 0;
      const calls = 200;
      const down = async (): Promise<never> => {
        attempts++;
        throw new Error('down');
      };
      const failing = Array.from({ length: calls }, () => retry.call(down));
      failing.forEach(unwatched);
      await retry.advance(100);
      await Promise.allSettled(failing);
      const times = attempts / calls;
      expectThat(times > 1, 'nothing is retried at all');
      expectThat(times <= 1.1, `${calls} calls make ${times.toFixed(1)} times as many attempts`);
    },
  ),
  onHttp(
    "a body that can't be replayed is not sent twice",
    'the second attempt sends what is left of a stream: nothing, and the service takes it for the whole',
    () => ({ status: 503 }),
    async (send, arrived) => {
      await send('the whole body');
      expectThat(arrived.length > 0, 'nothing is sent');
      const torn = arrived.find(({ body }) => body !== 'the whole body');
      expectThat(torn === undefined, `an attempt sends "${torn?.body}" where the body is "the whole body"`);
    },
  ),
];
