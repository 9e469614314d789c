import { type Table } from '../engine/table.js';

/** Something that a setting of ours must reach. */
export interface Bound {
  /** A sentence with the figure that was measured. */
  readonly text: string;
  readonly holds: boolean;
}

export interface ScenarioResult {
  readonly table: Table;
  readonly bounds: readonly Bound[];
}

export interface Scenario {
  /** As it is asked for on the command line. */
  readonly name: string;
  /** What happens, in a sentence or two. */
  readonly about: string;
  run(seed: number): Promise<ScenarioResult>;
}

export function atLeast(what: string, value: number, limit: number, shown: (value: number) => string): Bound {
  return { text: `${what}: ${shown(value)}, at least ${shown(limit)}`, holds: value >= limit };
}

export function atMost(what: string, value: number, limit: number, shown: (value: number) => string): Bound {
  return { text: `${what}: ${shown(value)}, at most ${shown(limit)}`, holds: value <= limit };
}
