import { useMemo } from 'preact/hooks';
import { total } from '../call-data.js';
import { ms, percent } from '../format.js';
import { useLive } from '../live.js';
import { type Calls, type CallSeries } from '../model.js';
import { Empty, Heading, Loaded, Section } from '../parts/basics.js';
import { CallPlots } from '../parts/call-plots.js';
import { Choice, distinct } from '../parts/filters.js';
import { route, toService } from '../router.js';

export function CallsView() {
  const answer = useLive<Calls>(['calls'], {}, { everyMs: 10_000 });
  return (
    <>
      <Heading title="Calls">
        <span class="muted">the last hour</span>
      </Heading>
      <Loaded answer={answer}>{(calls) => <CallsOf calls={calls} />}</Loaded>
    </>
  );
}

function CallsOf({ calls }: { readonly calls: Calls }) {
  const { caller = '', service = '' } = route.value.query;
  const edges = useMemo(
    () =>
      calls.edges.filter(
        (edge) => (caller === '' || edge.caller === caller) && (service === '' || edge.service_name === service),
      ),
    [calls, caller, service],
  );
  if (calls.edges.length === 0) {
    return (
      <Empty title="No call in the last hour">
        Calls of this process appear here by themselves. Those of others do when their processes report them.
      </Empty>
    );
  }
  return (
    <>
      <div class="filters" role="search" aria-label="Calls">
        <Choice label="Caller" name="caller" value={caller} values={distinct(calls.edges.map((edge) => edge.caller))} />
        <Choice
          label="Called service"
          name="service"
          value={service}
          values={distinct(calls.edges.map((edge) => edge.service_name))}
        />
      </div>
      <Section title="Over time">
        <CallPlots calls={calls} edges={edges} />
      </Section>
      <Section title="Which service calls which">
        <EdgeTable edges={edges} />
      </Section>
    </>
  );
}

function EdgeTable({ edges }: { readonly edges: readonly CallSeries[] }) {
  const sorted = [...edges].sort((a, b) => total([b], 'calls') - total([a], 'calls'));
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Which service calls which, table">
      <table>
        <thead>
          <tr>
            <th scope="col">Caller</th>
            <th scope="col">Service</th>
            <th scope="col" class="is-number">
              Calls
            </th>
            <th scope="col" class="is-number">
              Errors
            </th>
            <th scope="col" class="is-number">
              Retries
            </th>
            <th scope="col" class="is-number">
              Hedges
            </th>
            <th scope="col" class="is-number">
              Refused
            </th>
            <th scope="col" class="is-number">
              p95 now
            </th>
            <th scope="col" class="is-number">
              Retry budget left
            </th>
          </tr>
        </thead>
        <tbody>
          {sorted.map((edge) => (
            <EdgeRow key={`${edge.caller} ${edge.service_name}`} edge={edge} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function EdgeRow({ edge }: { readonly edge: CallSeries }) {
  const calls = total([edge], 'calls');
  const errors = total([edge], 'errors');
  const latest = edge.points.findLast(({ p95_ms: p95 }) => p95 !== null);
  return (
    <tr>
      <th scope="row">{edge.caller}</th>
      <td>
        <a href={toService(edge.service_name)}>{edge.service_name}</a>
      </td>
      <td class="is-number">{calls.toLocaleString()}</td>
      <td class={`is-number ${errors > 0 ? 'is-bad' : ''}`}>
        {errors.toLocaleString()} <span class="muted">({percent(calls === 0 ? 0 : errors / calls)})</span>
      </td>
      <td class="is-number">{total([edge], 'retries').toLocaleString()}</td>
      <td class="is-number">{total([edge], 'hedges').toLocaleString()}</td>
      <td class="is-number">{total([edge], 'shed').toLocaleString()}</td>
      <td class="is-number">{ms(latest?.p95_ms)}</td>
      <td class="is-number">{percent(edge.retry_budget)}</td>
    </tr>
  );
}
