import { shown, shownSpread, tableOf } from '../support/table.js';
import { type LaneResult, type Metric, type ScenarioResult, summariesOf } from './results.js';
import { type Lane, type Scenario } from './scenarios.js';

const HEAD = ['', 'requests/s', 'of base', 'p50 µs', 'of base', 'p99 µs', 'CPU µs', 'of base', 'heap KB'];

/** A scenario's figures, and their ratios to its baseline. */
export function reportOf(result: ScenarioResult): string {
  const { scenario, lanes } = result;
  const rows = summariesOf(result).map(({ lane, figures, ratios, bytesPerCall }) => {
    const ratio = (metric: Metric): string => (ratios ? shownSpread(ratios[metric]) : '');
    return [
      labelOf(lane, scenario),
      shown(figures.requestsPerSecond),
      ratio('requestsPerSecond'),
      shown(figures.p50Us),
      ratio('p50Us'),
      shown(figures.p99Us),
      shown(figures.cpuUsPerCall),
      ratio('cpuUsPerCall'),
      (bytesPerCall / 1_024).toFixed(1),
    ];
  });
  return [titleOf(scenario), tableOf(HEAD, rows), ...lanes.flatMap((one) => missingOf(one, scenario))].join('\n');
}

function titleOf({ name, load: { concurrency, bytes, method }, base }: Scenario): string {
  const what = `${method}, answers of ${shown(bytes / 1_024)} KB, concurrency ${concurrency}`;
  return `${name}: ${what}; base: ${base.contender}`;
}

/** The contender, and what distinguishes the lanes of a scenario. */
function labelOf({ contender, instances, services }: Lane, { lanes }: Scenario): string {
  const differs = (what: keyof Lane): boolean => new Set(lanes.map((lane) => lane[what])).size > 1;
  const more = [
    ...(differs('instances') ? [`${instances} instances`] : []),
    ...(differs('services') ? [`${services.toLocaleString('en-US')} services`] : []),
  ];
  return [contender, ...more].join(', ');
}

function missingOf({ lane, missing }: LaneResult, scenario: Scenario): string[] {
  return missing === undefined ? [] : [`${labelOf(lane, scenario)}: ${missing}`];
}
