import { useMemo } from 'preact/hooks';
import { toPlots, total } from '../call-data.js';
import { ms, rate } from '../format.js';
import { type Calls, type CallSeries } from '../model.js';
import { Empty } from './basics.js';
import { Plot } from './plot.js';

/** Steps without one have none. */
export const rateOrNone = (perSecond: number | null): string => rate(perSecond ?? 0);

/** Rate, errors, latency and what was added or refused, over the last hour. */
export function CallPlots({ calls, edges }: { readonly calls: Calls; readonly edges: readonly CallSeries[] }) {
  const plots = useMemo(() => toPlots(calls, edges), [calls, edges]);
  if (total(edges, 'calls') === 0) {
    return (
      <Empty title="No call in the last hour">
        Figures come from the processes that make the calls: open the page of one, or let them report to this registry.
      </Empty>
    );
  }
  return (
    <div class="plots">
      <Plot
        title="Calls a second"
        times={plots.times}
        format={rateOrNone}
        lines={[
          { label: 'calls', values: plots.rates, color: '--series-1', isFilled: true },
          { label: 'errors', values: plots.errorRates, color: '--unhealthy', isFilled: true },
        ]}
      />
      <Plot
        title={edges.length > 1 ? 'Latency, of the slowest caller' : 'Latency'}
        times={plots.times}
        format={ms}
        lines={[
          { label: 'p50', values: plots.p50, color: '--series-2' },
          { label: 'p95', values: plots.p95, color: '--series-1' },
          { label: 'p99', values: plots.p99, color: '--series-3' },
        ]}
      />
      <Plot
        title="Retries, hedges and refusals a second"
        times={plots.times}
        format={rateOrNone}
        lines={[
          { label: 'retries', values: plots.retries, color: '--series-3' },
          { label: 'hedges', values: plots.hedges, color: '--series-2' },
          { label: 'refused', values: plots.shed, color: '--unhealthy' },
        ]}
      />
    </div>
  );
}
