import { setTimeout as pause } from 'node:timers/promises';
import { type Redis } from 'ioredis';
import { shown } from '../support/table.js';

/** What a Redis has consumed since its start, and its memory. */
export interface Spent {
  readonly cpuMicros: number;
  readonly memoryBytes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

interface How {
  /** The same work without the measured part, to subtract. */
  readonly without?: Spent;
  /** Whether the work stores data in Redis. */
  readonly holds?: boolean;
}

const NOTHING: Spent = { cpuMicros: 0, memoryBytes: 0, bytesIn: 0, bytesOut: 0 };

/** Cost of one item, by the name of its row. */
export type CostOf = (what: string) => Spent;

/** Cost for Redis per item, as table columns: CPU, memory, bytes in, bytes out. */
export const COST_HEAD = ['one', 'CPU µs', 'memory B', 'in B', 'out B'];

/** Measures the cost of work for one Redis, a row each. */
export class CostMeter {
  readonly rows: string[][] = [];
  private readonly costs = new Map<string, Spent>();

  constructor(private readonly client: Redis) {}

  /**
   * @param count number of items in the work; the row shows one
   * @returns the cost of all of it
   */
  async measure(what: string, count: number, work: () => Promise<unknown>, how: How = {}): Promise<Spent> {
    const before = await spentBy(this.client);
    await work();
    const total = combine(await spentBy(this.client), before, (now, then) => now - then);
    const one = combine(total, how.without ?? NOTHING, (all, without) => (all - without) / count);
    const { cpuMicros, memoryBytes, bytesIn, bytesOut } = one;
    this.rows.push([what, shown(cpuMicros), how.holds ? shown(memoryBytes) : '', shown(bytesIn), shown(bytesOut)]);
    this.costs.set(what, one);
    return total;
  }

  readonly costOf: CostOf = (what) => {
    const cost = this.costs.get(what);
    if (!cost) throw new Error(`nothing was measured of: ${what}`);
    return cost;
  };
}

export async function spentBy(client: Redis): Promise<Spent> {
  // Wait for Redis to release buffers.
  await pause(500);
  const info = await client.info();
  const read = (name: string): number => Number(new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]);
  return {
    cpuMicros: (read('used_cpu_user') + read('used_cpu_sys')) * 1e6,
    memoryBytes: read('used_memory'),
    bytesIn: read('total_net_input_bytes'),
    bytesOut: read('total_net_output_bytes'),
  };
}

function combine(a: Spent, b: Spent, how: (a: number, b: number) => number): Spent {
  return {
    cpuMicros: how(a.cpuMicros, b.cpuMicros),
    memoryBytes: how(a.memoryBytes, b.memoryBytes),
    bytesIn: how(a.bytesIn, b.bytesIn),
    bytesOut: how(a.bytesOut, b.bytesOut),
  };
}
