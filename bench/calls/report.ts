import { shown, tableOf } from '../support/table.js';
import { type Spread } from '../support/statistics.js';
import { figureOf, laneOf, type LaneResult, type Metric, ratioOf, type ScenarioResult } from './results.js';
import { type Lane, type Scenario } from './scenarios.js';

/** A scenario's figures, and how they stand to those of its base. */
export function reportOf({ scenario, lanes }: ScenarioResult): string {
  const base = laneOf({ scenario, lanes }, scenario.base);
  const head = ['', 'requests/s', 'of base', 'p50 µs', 'of base', 'p99 µs', 'CPU µs', 'of base', 'heap KB'];
  const rows = lanes
    .filter(({ rounds }) => rounds.length > 0)
    .map((result) => {
      const ratio = (metric: Metric): string => (base ? shownSpread(ratioOf(result, base, metric)) : '');
      const figure = (metric: Metric): string => shown(figureOf(result, metric));
      return [
        labelOf(result.lane, scenario),
        figure('requestsPerSecond'),
        ratio('requestsPerSecond'),
        figure('p50Us'),
        ratio('p50Us'),
        figure('p99Us'),
        figure('cpuUsPerCall'),
        ratio('cpuUsPerCall'),
        ((result.bytesPerCall ?? Number.NaN) / 1_024).toFixed(1),
      ];
    });
  return [titleOf(scenario), tableOf(head, rows), ...lanes.flatMap((result) => missingOf(result, scenario))].join('\n');
}

/** `0.93 (0.91–0.95)`: the median, and between which half of the rounds are. */
function shownSpread({ median, lower, upper }: Spread): string {
  return `${median.toFixed(2)} (${lower.toFixed(2)}–${upper.toFixed(2)})`;
}

function titleOf({ name, load: { concurrency, bytes, method }, base }: Scenario): string {
  const what = `${method}, answers of ${shown(bytes / 1_024)} KB, concurrency ${concurrency}`;
  return `${name}: ${what}; base: ${base.contender}`;
}

/** The contender, and what else tells the lanes of a scenario apart. */
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
