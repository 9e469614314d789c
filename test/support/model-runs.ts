import { report } from './timing.js';

/** How a property is tried out: what `fc.assert` takes. */
export interface ModelRuns {
  readonly seed: number;
  readonly numRuns: number;
}

/**
 * The runs of a property test, with the seed printed. `MODEL_SEED=7 MODEL_RUNS=100000 npm test -- <spec>` tries other
 * sequences than the usual ones, and more of them.
 * @param what is tried, for the printed line
 * @param usual how many `npm test` makes; `npm run test:long` makes ten times as many
 */
export function modelRuns(what: string, usual: number): ModelRuns {
  const { modelRunsFactor = 1 } = globalThis as { modelRunsFactor?: number };
  const runs = {
    seed: Number(process.env.MODEL_SEED ?? 1),
    numRuns: Number(process.env.MODEL_RUNS ?? usual * modelRunsFactor),
  };
  report(`${what}: ${runs.numRuns} random runs, MODEL_SEED=${runs.seed}`);
  return runs;
}
