import { report } from './timing.js';

/** Parameters for `fc.assert`. */
export interface ModelRuns {
  readonly seed: number;
  readonly numRuns: number;
}

/**
 * The runs of a property test; prints the seed. `MODEL_SEED=7 MODEL_RUNS=100000 npm test -- <spec>` runs other and more
 * sequences.
 * @param what is tested, for the printed line
 * @param usual how many sequences; `npm test` runs a quarter of them, `npm run test:long` ten times as many
 */
export function modelRuns(what: string, usual: number): ModelRuns {
  const { modelRunsFactor = 0.25 } = globalThis as { modelRunsFactor?: number };
  const runs = {
    seed: Number(process.env.MODEL_SEED ?? 1),
    numRuns: Number(process.env.MODEL_RUNS ?? Math.ceil(usual * modelRunsFactor)),
  };
  report(`${what}: ${runs.numRuns} random runs, MODEL_SEED=${runs.seed}`);
  return runs;
}
