import { createHook } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { getEventListeners, type EventEmitter } from 'node:events';
import { type Socket } from 'node:net';
import { GCProfiler } from 'node:v8';

/** Averages per call; whole numbers if every call creates the same. */
export interface MadePerCall {
  readonly promises: number;
  readonly timers: number;
  readonly ticks: number;
  readonly immediates: number;
  /** AbortControllers, and signals created without one. */
  readonly abortSignals: number;
  readonly connections: number;
}

const TYPES: Readonly<Record<string, keyof MadePerCall>> = {
  PROMISE: 'promises',
  Timeout: 'timers',
  TickObject: 'ticks',
  Immediate: 'immediates',
  TCPCONNECTWRAP: 'connections',
};

const NAMES = ['promises', 'timers', 'ticks', 'immediates', 'abortSignals', 'connections'] as const;

/** Counts what Node creates while the calls run. */
export async function madeBy(calls: number, run: () => Promise<void>): Promise<MadePerCall> {
  const made = { promises: 0, timers: 0, ticks: 0, immediates: 0, abortSignals: 0, connections: 0 };
  const hook = createHook({
    init: (_id, type) => {
      const name = TYPES[type];
      if (name) made[name]++;
    },
  });
  const restore = countAbortSignals(() => made.abortSignals++);
  hook.enable();
  try {
    await run();
  } finally {
    hook.disable();
    restore();
  }
  for (const name of NAMES) made[name] /= calls;
  return made;
}

function countAbortSignals(onMade: () => void): () => void {
  const { AbortController, AbortSignal } = globalThis;
  const { any, timeout } = AbortSignal;
  globalThis.AbortController = class extends AbortController {
    constructor() {
      super();
      onMade();
    }
  };
  AbortSignal.any = (...args) => {
    onMade();
    return any.apply(AbortSignal, args);
  };
  AbortSignal.timeout = (...args) => {
    onMade();
    return timeout.apply(AbortSignal, args);
  };
  return () => {
    globalThis.AbortController = AbortController;
    Object.assign(AbortSignal, { any, timeout });
  };
}

/** Bytes that a call allocates in V8's heap: its growth, plus what was collected. */
export async function allocatedBy(calls: number, run: () => Promise<void>): Promise<number> {
  const profiler = new GCProfiler();
  profiler.start();
  const before = process.memoryUsage().heapUsed;
  await run();
  const grown = process.memoryUsage().heapUsed - before;
  const freed = profiler
    .stop()
    .statistics.map(
      ({ beforeGC, afterGC }) => beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize,
    )
    .reduce((sum, bytes) => sum + bytes, 0);
  return (grown + freed) / calls;
}

/** How many of the timers set while the calls ran are left. */
export async function timersLeftBy(run: () => Promise<void>): Promise<number> {
  const left = new Set<number>();
  const hook = createHook({
    init: (id, type) => void (type === 'Timeout' && left.add(id)),
    destroy: (id) => void left.delete(id),
  }).enable();
  try {
    await run();
    // Cleared timers are destroyed in a later turn.
    await new Promise((resolve) => setImmediate(resolve));
    return left.size;
  } finally {
    hook.disable();
  }
}

/** Resources of the process while no call is in flight. */
export interface Held {
  readonly heapBytes: number;
  readonly sockets: number;
  /** The maximum over all sockets, for any event. */
  readonly listenersOfASocket: number;
  readonly listenersOfASignal: number;
}

/** Observes all sockets that undici opens from now on, even unreferenced ones. */
export class SocketWatch {
  private readonly open = new Set<Socket>();

  constructor() {
    subscribe('undici:client:connected', (message) => {
      const { socket } = message as { socket: Socket };
      this.open.add(socket);
      socket.once('close', () => this.open.delete(socket));
    });
  }

  /** @param signal that was passed to calls */
  async heldNow(signal: AbortSignal): Promise<Held> {
    for (let round = 0; round < 4; round++) {
      globalThis.gc?.();
      // Finalizers and what they release need separate turns.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return {
      heapBytes: process.memoryUsage().heapUsed,
      sockets: this.open.size,
      listenersOfASocket: Math.max(...[...this.open].map(listenersOf)),
      listenersOfASignal: getEventListeners(signal, 'abort').length,
    };
  }
}

function listenersOf(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
}
