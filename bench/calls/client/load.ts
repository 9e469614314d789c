import { type Caller, type CallRequest } from '../contenders/contender.js';

/** The load for every contender of a scenario. */
export interface Load {
  /** Concurrent calls, in a closed loop. */
  readonly concurrency: number;
  /** Size of each response body. */
  readonly bytes: number;
  readonly method: 'GET' | 'POST';
}

export interface Times {
  /** Time before the measurement, to reopen connections and fill CPU caches. */
  readonly leadMs: number;
  readonly windowMs: number;
}

/** Results of one contender in one round. */
export interface Figures {
  readonly calls: number;
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU time of the client process, all threads, user and system. */
  readonly cpuUsPerCall: number;
}

const DISTINCT_REQUESTS = 1_024;
const MOST_CALLS = 1_000_000;
const latencies = new Float64Array(MOST_CALLS);

/**
 * Makes calls for the duration of a round. The measured window begins and ends while all callers are busy, so the first
 * and last calls, which have the machine to themselves, do not count.
 */
export async function runLoad(caller: Caller, load: Load, { leadMs, windowMs }: Times): Promise<Figures> {
  const requests = requestsOf(load);
  let running = true;
  let measuring = false;
  let calls = 0;
  let turn = 0;
  const worker = async (): Promise<void> => {
    let since = performance.now();
    while (running) {
      await caller.call(requests[turn++ % DISTINCT_REQUESTS]!);
      const now = performance.now();
      if (measuring && calls < MOST_CALLS) latencies[calls++] = now - since;
      since = now;
    }
  };
  const workers = Promise.all(Array.from({ length: load.concurrency }, worker)).finally(() => (running = false));
  const during = async (ms: number): Promise<unknown> => Promise.race([workers, elapsed(ms)]);
  await during(leadMs);
  measuring = true;
  const cpu = process.cpuUsage();
  const began = performance.now();
  await during(windowMs);
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  measuring = false;
  running = false;
  await workers;
  const sorted = latencies.slice(0, calls).sort();
  return {
    calls,
    requestsPerSecond: calls / seconds,
    p50Us: (sorted[Math.floor(calls * 0.5)] ?? Number.NaN) * 1_000,
    p99Us: (sorted[Math.floor(calls * 0.99)] ?? Number.NaN) * 1_000,
    cpuUsPerCall: (user + system) / calls,
  };
}

export interface WarmUp {
  readonly calls: number;
  /** CPU time, independent of the load of the machine. */
  readonly cpuMs: number;
}

/** Makes calls until both limits are reached: code is compiled by calls, and concurrently with them. */
export async function warmUp(caller: Caller, load: Load, least: WarmUp): Promise<void> {
  const cpu = process.cpuUsage();
  let calls = 0;
  let spentUs = 0;
  while (calls < least.calls || spentUs < least.cpuMs * 1_000) {
    calls += (await runLoad(caller, load, { leadMs: 0, windowMs: 100 })).calls;
    const { user, system } = process.cpuUsage(cpu);
    spentUs = user + system;
  }
}

/** Many paths and keys, as in real traffic, so that caching the last one does not help. */
export function requestsOf({ bytes, method }: Load): CallRequest[] {
  return Array.from({ length: DISTINCT_REQUESTS }, (_, n) => ({
    method,
    path: `/${bytes}/users/${n}`,
    key: `10.0.${n >> 8}.${n & 255}`,
    ...(method === 'POST' && { json: ONE_KILOBYTE }),
  }));
}

/** About 1,000 bytes as JSON. */
const ONE_KILOBYTE = {
  items: Array.from({ length: 20 }, (_, n) => ({ id: 1_000 + n, name: `item number ${1_000 + n}`, price: 12.5 })),
};

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
