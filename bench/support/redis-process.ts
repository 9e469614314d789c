import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './free-port.js';

/** A redis-server for one benchmark, on a free port, without persistence. */
export interface RedisProcess {
  readonly url: string;
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** @param args additional options of redis-server */
export async function startRedis(args: readonly string[] = []): Promise<RedisProcess> {
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), 'bench-redis-'));
  const child = spawn(
    process.env.REDIS_SERVER_BIN ?? 'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no', ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
  running.add(child);
  await Promise.race([failed, untilReady(createInterface({ input: child.stdout }))]);
  child.stdout.resume();
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      running.delete(child);
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function untilReady(lines: AsyncIterable<string>): Promise<void> {
  for await (const line of lines) if (line.includes('Ready to accept connections')) return;
  throw new Error('redis-server ended before it was ready');
}
