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
  /** Calls under way at once. */
  readonly concurrency: number;
  /** Calls before the heap is measured for the first time: caches fill, code is compiled. */
  readonly warmUp: number;
  readonly seed: number;
}

export interface SoakResult {
  readonly calls: number;
  readonly seconds: number;
  /** Requests that were sent: first attempts, retries and hedges. */
  readonly sent: number;
  /** How calls ended: `ok`, a code, or `aborted`. */
  readonly endings: ReadonlyMap<string, number>;
  /** What happened on the way, by event. */
  readonly events: ReadonlyMap<string, number>;
  readonly heapBeforeMb: number;
  readonly heapAfterMb: number;
  readonly leaks: Leaks;
}

/** What calls left behind that have ended; everything has to be 0. */
interface Leaks {
  readonly timers: number;
  /** Signals that something still listens to. */
  readonly listeners: number;
  readonly requests: number;
  readonly rejections: number;
  /** Timers once everything is closed. */
  readonly timersAfterClose: number;
}

const INSTANCES = 6;
/** An instance comes or goes after so many calls. */
const CHURN = 500;

/** Makes calls of all kinds, with all there is around them, and looks at what they leave behind. */
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

/** Takes the last instance away, or brings it back as a new registration. */
async function churn(registry: ServiceRegistry, round: number): Promise<void> {
  const n = INSTANCES - 1;
  if (round % 2 === 0) await register(registry, 'things', n);
  else await registry.deregister({ serviceName: 'things', instanceId: `things-${n}` });
}

/** What has been given up ends within a turn or two; what does not within a second, does not at all. */
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
