import { type Caller, type CallRequest } from '../contenders/contender.js';

/** What is asked of every contender of a scenario. */
export interface Load {
  /** Calls under way at once; each ended one is followed by the next. */
  readonly concurrency: number;
  /** Of each answer's body. */
  readonly bytes: number;
  readonly method: 'GET' | 'POST';
}

export interface Times {
  /** Before the measurement: connections open that were closed meanwhile, and the processor's caches fill. */
  readonly leadMs: number;
  readonly windowMs: number;
}

/** What one contender did in one round. */
export interface Figures {
  readonly calls: number;
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the client's process, all threads, user and system. */
  readonly cpuUsPerCall: number;
}

const DISTINCT_REQUESTS = 1_024;
const MOST_CALLS = 1_000_000;
const latencies = new Float64Array(MOST_CALLS);

/**
 * Calls for as long as a round takes. The measured window begins and ends while all callers are busy, so that neither
 * the first calls nor the last ones count, which have the machine for themselves.
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
  /** Of the processor, however busy the machine is. */
  readonly cpuMs: number;
}

/** Calls until both have been spent: code gets compiled by calls, and beside them. */
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

/** Many paths and keys, as real calls have, so that nothing is won by remembering the last one. */
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
