import { describe, expect, it } from '@jest/globals';
import { BUILD_TIMEOUT_MS } from '../built-package.js';
import { printP99 } from '../good-clients.js';
import { PLATFORMS } from '../nest-app.js';
import { report } from '../timing.js';
import { runFuzz } from './fuzz-run.js';
import { Operations } from './operations.js';

/** What a process may hold more than after the warm-up: compiled code, and what a garbage collection leaves for the next. */
const ROOM_BYTES = 24 * 1024 * 1024;

/**
 * Sends random and mutated requests to every endpoint, half of them to Express and half to Fastify.
 * `FUZZ_SEED=7 FUZZ_REQUESTS=1000000` sends other and more of them.
 * @param requests how many, in all
 * @param timeLimitMs how long it sends at most; what a slow machine does not get to is left out
 */
export function describeFuzz(requests: number, timeLimitMs: number): void {
  const seed = Number(process.env.FUZZ_SEED ?? 1);
  const share = Math.ceil(Number(process.env.FUZZ_REQUESTS ?? requests) / PLATFORMS.length);

  describe.each(PLATFORMS.map(([name]) => name))('random and mutated requests to every endpoint, on %s', (platform) => {
    it(
      'get no undocumented answer, end nothing, leave nothing behind, and keep no good client waiting',
      async () => {
        const { sent, operations, byStatus, findings, before, after, goodTimesMs, goodFailures } = await runFuzz({
          platform,
          requests: share,
          seed,
          timeLimitMs: timeLimitMs / PLATFORMS.length,
        });
        const answers = [...byStatus].sort(([a], [b]) => a - b).map(([status, times]) => `${status}: ${times}`);
        report(`fuzz on ${platform}: ${sent} requests, FUZZ_SEED=${seed}; ${answers.join(', ')}`);
        report(`heap ${mib(before.heapBytes)} → ${mib(after.heapBytes)} MiB`);
        printP99(`a good client beside them`, goodTimesMs);
        expect(findings).toEqual([]);
        expect(after.errors).toEqual([]);
        expect(goodFailures).toEqual([]);
        expect(goodTimesMs.length).toBeGreaterThan(0);
        expect([...(await Operations.read()).all].filter((operation) => !operations.has(operation))).toEqual([]);
        expect([...before.connections, ...after.connections]).toEqual([]);
        expect(after).toMatchObject({ resources: before.resources, services: 1 });
        expect(after.metricLines).toBeLessThan(before.metricLines + 100);
        expect(after.heapBytes).toBeLessThan(before.heapBytes + ROOM_BYTES);
      },
      BUILD_TIMEOUT_MS + 2 * timeLimitMs,
    );
  });
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}
