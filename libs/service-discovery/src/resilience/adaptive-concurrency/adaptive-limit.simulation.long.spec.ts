import { describe, expect, it } from '@jest/globals';
import { EventQueue } from '../../../../../sim/engine/event-queue.js';
import { seededRandom, type Clock, type Random, type Timer } from '../../common/index.js';
import { AdaptiveLimit } from './adaptive-limit.js';

/** A service time of 1 on average. */
const SERVICE_TIMES: Record<string, (random: Random) => number> = {
  constant: () => 1,
  exponential: (random) => -Math.log(1 - random()),
  bimodal: (random) => (random() < 0.5 ? 0.1 : 1.9),
  'long-tailed': (random) => (random() < 0.01 ? 20.8 : 0.8),
};

interface Setting {
  readonly workers: number;
  readonly serviceMs: number;
  readonly callsPerSecond: number;
  readonly serviceTime?: string;
  readonly clients?: number;
  /** Calls that may wait in the server; it refuses more. @default any number */
  readonly maxQueue?: number;
}

/** Simulated time for code that waits for nothing but its timers. */
class EventClock implements Clock {
  private readonly events = new EventQueue();
  private time = 0;
  private order = 0;

  now(): number {
    return this.time;
  }

  epoch(): number {
    return this.time;
  }

  setTimer(fn: () => void, ms: number): Timer {
    this.events.push({ at: this.time + ms, order: this.order++, fn });
    return { cancel: () => undefined };
  }

  advance(ms: number): void {
    const until = this.time + ms;
    for (let next = this.events.peek(); next && next.at <= until; next = this.events.peek()) {
      this.events.pop();
      this.time = next.at;
      next.fn?.();
    }
    this.time = until;
  }
}

/** Clients with a limit each, which call one server whether it answers or not. */
class World {
  private readonly clock = new EventClock();
  readonly limits: readonly AdaptiveLimit[];
  workers: number;
  serviceMs: number;
  callsPerSecond: number;
  private readonly random = seededRandom(1);
  private readonly waiting: (() => void)[] = [];
  private busy = 0;
  private answers = 0;
  private latencySum = 0;

  constructor(private readonly setting: Setting) {
    ({ workers: this.workers, serviceMs: this.serviceMs, callsPerSecond: this.callsPerSecond } = setting);
    const { clients = 1 } = setting;
    this.limits = Array.from({ length: clients }, () => new AdaptiveLimit({}, { clock: this.clock }));
    for (const limit of this.limits) this.callOn(limit);
  }

  /** Lets time pass; tells the throughput and the latency beside the best that the server can do, and the mean limit. */
  run(seconds: number): { throughput: number; latency: number; limit: number } {
    this.answers = 0;
    this.latencySum = 0;
    let limitSum = 0;
    for (let step = 0; step < seconds * 10; step++) {
      this.clock.advance(100);
      for (const limit of this.limits) limitSum += limit.limit;
    }
    const capacity = (this.workers / this.serviceMs) * 1_000;
    return {
      throughput: this.answers / seconds / Math.min(capacity, this.callsPerSecond),
      latency: this.latencySum / this.answers / this.serviceMs,
      limit: limitSum / (seconds * 10),
    };
  }

  private callOn(limit: AdaptiveLimit): void {
    const gapMs = (-Math.log(1 - this.random()) * 1_000 * this.limits.length) / this.callsPerSecond;
    this.clock.setTimer(() => {
      this.callOn(limit);
      this.call(limit);
    }, gapMs);
  }

  private call(limit: AdaptiveLimit): void {
    const permit = limit.tryAcquire();
    if (!permit) return;
    const startedAt = this.clock.now();
    if (this.waiting.length >= (this.setting.maxQueue ?? Infinity) && this.busy >= this.workers) {
      this.clock.setTimer(() => permit.settle('overloaded'), 1);
      return;
    }
    this.serve(() => {
      this.answers++;
      this.latencySum += this.clock.now() - startedAt;
      permit.settle('answered');
    });
  }

  private serve(done: () => void): void {
    if (this.busy >= this.workers) {
      this.waiting.push(() => this.serve(done));
      return;
    }
    this.busy++;
    const takes = this.serviceMs * SERVICE_TIMES[this.setting.serviceTime ?? 'exponential']!(this.random);
    this.clock.setTimer(() => {
      this.busy--;
      done();
      if (this.busy < this.workers) this.waiting.shift()?.();
    }, takes);
  }
}

/** Twice as many calls as the server can take. */
const overloaded: Setting = { workers: 30, serviceMs: 50, callsPerSecond: 1_200 };

describe('AdaptiveLimit, in front of a simulated server', () => {
  it.each(Object.keys(SERVICE_TIMES))(
    'finds the concurrency that the server handles, with a service time that is %s',
    (serviceTime) => {
      const world = new World({ ...overloaded, serviceTime });
      world.run(10);
      const { throughput, latency, limit } = world.run(50);
      expect(throughput).toBeGreaterThan(0.85);
      expect(latency).toBeLessThan(1.5);
      expect(limit).toBeGreaterThan(30);
      expect(limit).toBeLessThan(45);
    },
  );

  it.each([
    [5, 200, 10],
    [300, 12_000, 25],
  ])('finds what it handles also where it begins far from it, with %i workers', (workers, callsPerSecond, seconds) => {
    const world = new World({ workers, serviceMs: 50, callsPerSecond });
    world.run(seconds);
    const { throughput, latency, limit } = world.run(20);
    expect(throughput).toBeGreaterThan(0.8);
    expect(latency).toBeLessThan(1.5);
    expect(limit).toBeGreaterThan(workers);
    expect(limit).toBeLessThan(1.5 * workers);
  });

  it('does not drift, however long it is overloaded', () => {
    const world = new World(overloaded);
    world.run(10);
    for (let minute = 0; minute < 10; minute++) {
      const { throughput, latency } = world.run(60);
      expect(throughput).toBeGreaterThan(0.9);
      expect(latency).toBeLessThan(1.5);
    }
  });

  it('refuses next to nothing that it can handle', () => {
    const world = new World({ ...overloaded, callsPerSecond: 450 });
    world.run(20);
    expect(world.run(60).throughput).toBeGreaterThan(0.98);
  });

  it('stays unchanged while calls stay below it', () => {
    const world = new World({ ...overloaded, callsPerSecond: 60 });
    expect(world.run(60)).toMatchObject({ limit: 20 });
  });

  it('follows when workers go away and come back', () => {
    const world = new World({ workers: 40, serviceMs: 50, callsPerSecond: 700 });
    world.run(20);
    expect(world.run(10).limit).toBeGreaterThan(40);
    world.workers = 10;
    world.run(10);
    const less = world.run(20);
    expect(less.throughput).toBeGreaterThan(0.8);
    expect(less.latency).toBeLessThan(1.6);
    expect(less.limit).toBeLessThan(16);
    world.workers = 40;
    world.run(20);
    expect(world.run(20).throughput).toBeGreaterThan(0.95);
  });

  it('follows when the server becomes slower for another reason than load, and faster again', () => {
    const world = new World(overloaded);
    world.run(20);
    world.serviceMs = 200;
    world.run(60);
    const slow = world.run(20);
    expect(slow.throughput).toBeGreaterThan(0.8);
    expect(slow.latency).toBeLessThan(1.5);
    world.serviceMs = 50;
    world.run(20);
    const fast = world.run(20);
    expect(fast.throughput).toBeGreaterThan(0.9);
    expect(fast.latency).toBeLessThan(1.6);
  });

  it('follows rejections when the server has no queue', () => {
    const world = new World({ workers: 20, serviceMs: 50, callsPerSecond: 800, maxQueue: 0 });
    world.run(10);
    const { throughput, limit } = world.run(50);
    expect(throughput).toBeGreaterThan(0.8);
    expect(limit).toBeLessThan(21);
  });

  it('keeps the queue short together with other clients that see only their share of the load', () => {
    const world = new World({ workers: 60, serviceMs: 50, callsPerSecond: 2_400, clients: 5 });
    world.run(20);
    for (let minute = 0; minute < 5; minute++) {
      const { throughput, latency } = world.run(60);
      expect(throughput).toBeGreaterThan(0.95);
      expect(latency).toBeLessThan(1.8);
    }
  });
});
