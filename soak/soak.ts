import { getEventListeners } from 'node:events';
import {
  type EventSink,
  MemoryRegistryStore,
  seededRandom,
  ServiceCommunicator,
  ServiceDiscoveryError,
  ServiceRegistry,
  systemRandom,
} from 'nest-service-discovery/core';
import { callSomehow, type CallTools, signalFor } from './calls.js';
import { CountingClock } from './counting-clock.js';
import { heapInUseMb } from './heap.js';
import { UnsteadyTransport } from './unsteady-transport.js';
import { variantsOf } from './variants.js';

export interface SoakOptions {
  readonly calls: number;
  /** Concurrent calls. */
  readonly concurrency: number;
  /** Calls before the first heap measurement, to fill caches and compile code. */
  readonly warmUp: number;
  readonly seed: number;
}

export interface SoakResult {
  readonly calls: number;
  readonly seconds: number;
  /** Requests sent: first attempts, retries and hedges. */
  readonly sent: number;
  /** Results of calls: `ok`, a code, or `aborted`. */
  readonly endings: ReadonlyMap<string, number>;
  /** Counts by event. */
  readonly events: ReadonlyMap<string, number>;
  readonly heapBeforeMb: number;
  readonly heapAfterMb: number;
  readonly leaks: Leaks;
}

/** What finished calls left behind; everything must be 0. */
interface Leaks {
  readonly timers: number;
  /** Signals that still have listeners. */
  readonly listeners: number;
  readonly requests: number;
  readonly rejections: number;
  /** Timers after everything is closed. */
  readonly timersAfterClose: number;
}

const INSTANCES = 6;
/** Calls between instances joining or leaving. */
const CHURN = 500;

/** Makes calls of all kinds with all stages on, and measures what they leave behind. */
export async function soak({ calls, concurrency, warmUp, seed }: SoakOptions): Promise<SoakResult> {
  const clock = new CountingClock();
  const random = seededRandom(seed);
  const transport = new UnsteadyTransport(clock, random);
  const store = new MemoryRegistryStore({ clock });
  const registry = new ServiceRegistry(store, {}, { clock, random: systemRandom });
  const events = new Map<string, number>();
  const sink: EventSink = { emit: (type) => count(events, type) };
  await registry.start();
  const communicator = new ServiceCommunicator({ registry, transport, clock, random, events: sink });
  const stopListening = countRejections();
  const shared = new AbortController();
  const tools: CallTools = { clock, random, shared: shared.signal };
  const suspects = new Set<AbortSignal>();
  const endings = new Map<string, number>();
  const variants = variantsOf(communicator);
  for (let n = 0; n < INSTANCES; n++) await register(registry, 'things', n);
  for (let n = 0; n < 2; n++) await register(registry, 'spares', n);

  async function one(): Promise<void> {
    const variant = variants[Math.floor(random() * variants.length)] ?? communicator;
    const { signal, release } = signalFor(tools);
    try {
      await callSomehow(variant, signal, tools);
      count(endings, 'ok');
    } catch (error) {
      count(endings, endingOf(error, signal));
    } finally {
      release();
      if (signal && isListenedTo(signal)) suspects.add(signal);
    }
  }

  async function run(total: number): Promise<void> {
    let begun = 0;
    const worker = async (): Promise<void> => {
      while (begun++ < total) {
        if (begun % CHURN === 0) {
          await churn(registry, begun / CHURN);
          forgetTheReleased(suspects);
        }
        await one();
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  }

  const idleTimers = clock.pendingTimers;
  await run(warmUp);
  await settled(transport, clock, idleTimers);
  forgetTheReleased(suspects);
  const heapBeforeMb = await heapInUseMb();
  const sentBefore = transport.sent;
  endings.clear();
  events.clear();
  const began = clock.now();
  await run(calls);
  const seconds = (clock.now() - began) / 1_000;
  await settled(transport, clock, idleTimers);
  const heapAfterMb = await heapInUseMb();
  const timers = clock.pendingTimers - idleTimers;
  const listeners = [...suspects, shared.signal].filter(isListenedTo).length;
  const requests = transport.inFlight;
  const sent = transport.sent - sentBefore;
  await communicator.close();
  await registry.close();
  await store.close();
  const leaks = {
    timers,
    listeners,
    requests,
    rejections: stopListening(),
    timersAfterClose: clock.pendingTimers,
  };
  return { calls, seconds, sent, endings, events, heapBeforeMb, heapAfterMb, leaks };
}

function register(registry: ServiceRegistry, serviceName: string, n: number): Promise<unknown> {
  const registration = { serviceName, instanceId: `${serviceName}-${n}`, host: '127.0.0.1', port: 8_000 + n };
  return registry.register({ ...registration, version: `1.${n % 2}.0` }, { heartbeat: 'manual' });
}

/** Removes the last instance, or registers it again. */
async function churn(registry: ServiceRegistry, round: number): Promise<void> {
  const n = INSTANCES - 1;
  if (round % 2 === 0) await register(registry, 'things', n);
  else await registry.deregister({ serviceName: 'things', instanceId: `things-${n}` });
}

/** Abandoned work ends within a turn or two; if not within a second, never. */
async function settled(transport: UnsteadyTransport, clock: CountingClock, idleTimers: number): Promise<void> {
  const until = clock.now() + 1_000;
  while ((transport.inFlight > 0 || clock.pendingTimers > idleTimers) && clock.now() < until) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const isListenedTo = (signal: AbortSignal): boolean => getEventListeners(signal, 'abort').length > 0;

/** The stream of a response follows its caller's signal until it has been read, which may be a turn later. */
function forgetTheReleased(suspects: Set<AbortSignal>): void {
  for (const signal of suspects) if (!isListenedTo(signal)) suspects.delete(signal);
}

function endingOf(error: unknown, signal: AbortSignal | undefined): string {
  if (error instanceof ServiceDiscoveryError) return error.code;
  if (signal?.aborted && error === signal.reason) return 'aborted';
  return `unexpected: ${String(error)}`;
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function countRejections(): () => number {
  let rejections = 0;
  const onRejection = (): void => void rejections++;
  process.on('unhandledRejection', onRejection);
  return () => {
    process.off('unhandledRejection', onRejection);
    return rejections;
  };
}
