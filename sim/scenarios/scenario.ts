import { type Table } from '../engine/table.js';

/** A requirement for one of our settings. */
export interface Bound {
  /** A sentence with the measured figure. */
  readonly text: string;
  readonly holds: boolean;
}

interface ScenarioResult {
  readonly table: Table;
  readonly bounds: readonly Bound[];
}

/** Which rows of a table are computed: all, or only those with a bound. */
export type WantedRows = 'all' | 'bounded';

export interface Scenario {
  /** Its name on the command line. */
  readonly name: string;
  /** What happens, in a sentence or two. */
  readonly about: string;
  run(seed: number, rows: WantedRows): Promise<ScenarioResult>;
}

/** Several settings in the same situation. */
interface Comparison<S extends { readonly name: string }, M> {
  readonly name: string;
  readonly about: string;
  /** In the order of the table's rows. */
  readonly settings: readonly S[];
  /** Those used by `bounds`. */
  readonly bounded: readonly S[];
  readonly measure: (setting: S, seed: number) => Promise<M>;
  readonly head: readonly string[];
  /** The cells of a row after the setting's name. */
  readonly cells: (measured: M) => readonly string[];
  readonly bounds: (measured: (setting: S) => M) => readonly Bound[];
}

export function compare<S extends { readonly name: string }, M>(comparison: Comparison<S, M>): Scenario {
  const { name, about, settings, bounded, measure, head, cells, bounds } = comparison;
  return {
    name,
    about,
    run: async (seed, rows) => {
      const measured = new Map<S, M>();
      for (const setting of settings) {
        if (rows === 'all' || bounded.includes(setting)) measured.set(setting, await measure(setting, seed));
      }
      const measuredOf = (setting: S): M => {
        const found = measured.get(setting);
        if (found === undefined) throw new Error(`"${setting.name}" is not among the settings with a bound`);
        return found;
      };
      return {
        table: { head: ['', ...head], rows: [...measured].map(([setting, one]) => [setting.name, ...cells(one)]) },
        bounds: bounds(measuredOf),
      };
    },
  };
}

export function atLeast(what: string, value: number, limit: number, shown: (value: number) => string): Bound {
  return { text: `${what}: ${shown(value)}, at least ${shown(limit)}`, holds: value >= limit };
}

export function atMost(what: string, value: number, limit: number, shown: (value: number) => string): Bound {
  return { text: `${what}: ${shown(value)}, at most ${shown(limit)}`, holds: value <= limit };
}
