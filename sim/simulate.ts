import { printed } from './engine/table.js';
import { type Bound, type Scenario, type WantedRows } from './scenarios/scenario.js';

/** The output of a scenario, and the results of its bounds. */
export interface Report {
  readonly text: string;
  readonly bounds: readonly Bound[];
}

/** Runs a scenario. The same seed gives exactly the same text. */
export async function simulate(scenario: Scenario, seed: number, rows: WantedRows = 'all'): Promise<Report> {
  const { name, about } = scenario;
  const { table, bounds } = await scenario.run(seed, rows);
  const verdicts = bounds.map(({ text, holds }) => `- ${holds ? 'holds' : 'MISSED'}: ${text}`);
  return { text: [`## ${name}`, about, '', printed(table), '', ...verdicts, ''].join('\n'), bounds };
}
