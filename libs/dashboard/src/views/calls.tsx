import { useMemo } from 'preact/hooks';
import { total } from '../call-data.js';
import { ms, percent } from '../format.js';
import { useLive } from '../live.js';
import { type Calls, type CallSeries } from '../model.js';
import { Empty, Heading, Loaded, Section } from '../parts/basics.js';
import { CallPlots } from '../parts/call-plots.js';
import { Choice, distinct } from '../parts/filters.js';
import { isNarrow } from '../parts/narrow.js';
import { type Column, SortHeader } from '../parts/sort-header.js';
import { VirtualList } from '../parts/virtual-list.js';
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

/** An edge with its sums over the hour. */
interface EdgeSums {
  readonly edge: CallSeries;
  readonly calls: number;
  readonly errors: number;
  readonly retries: number;
  readonly hedges: number;
  readonly shed: number;
  /** Of the last step with calls, in milliseconds. */
  readonly p95: number;
}

const sumsOf = (edge: CallSeries): EdgeSums => ({
  edge,
  calls: total([edge], 'calls'),
  errors: total([edge], 'errors'),
  retries: total([edge], 'retries'),
  hedges: total([edge], 'hedges'),
  shed: total([edge], 'shed'),
  p95: edge.points.findLast(({ p95_ms: p95 }) => p95 !== null)?.p95_ms ?? 0,
});

const COLUMNS: readonly Column[] = [
  { name: 'caller', title: 'Caller', order: 'ascending' },
  { name: 'service', title: 'Service', order: 'ascending' },
  { name: 'calls', title: 'Calls', order: 'descending', class: 'is-number' },
  { name: 'errors', title: 'Errors', order: 'descending', class: 'is-number' },
  { name: 'retries', title: 'Retries', order: 'descending', class: 'is-number' },
  { name: 'hedges', title: 'Hedges', order: 'descending', class: 'is-number' },
  { name: 'shed', title: 'Refused', order: 'descending', class: 'is-number' },
  { name: 'p95', title: 'p95 now', order: 'descending', class: 'is-number' },
];

const BUDGET: Column = { name: 'budget', title: 'Retry budget left', class: 'is-number' };

type Order = (a: EdgeSums, b: EdgeSums) => number;

const byCalls: Order = (a, b) => b.calls - a.calls;

const ORDERS: ReadonlyMap<string, Order> = new Map<string, Order>([
  ['caller', (a, b) => compare(a.edge.caller, b.edge.caller) || byCalls(a, b)],
  ['service', (a, b) => compare(a.edge.service_name, b.edge.service_name) || byCalls(a, b)],
  ['errors', (a, b) => b.errors - a.errors],
  ['retries', (a, b) => b.retries - a.retries],
  ['hedges', (a, b) => b.hedges - a.hedges],
  ['shed', (a, b) => b.shed - a.shed],
  ['p95', (a, b) => b.p95 - a.p95],
]);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function EdgeTable({ edges }: { readonly edges: readonly CallSeries[] }) {
  const { sort = 'calls' } = route.value.query;
  const sums = useMemo(() => edges.map(sumsOf), [edges]);
  // Those of other processes are not known.
  const hasBudgets = edges.some(({ retry_budget: budget }) => budget !== null);
  const sorted = useMemo(() => [...sums].sort(ORDERS.get(sort) ?? byCalls), [sums, sort]);
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Which service calls which, table">
      <VirtualList
        class={hasBudgets ? 'edges has-budgets' : 'edges'}
        label="Which service calls which"
        items={sorted}
        keyOf={({ edge }) => `${edge.caller} ${edge.service_name}`}
        rowHeight={isNarrow.value ? 56 : 36}
        header={<SortHeader columns={hasBudgets ? [...COLUMNS, BUDGET] : COLUMNS} sort={sort} />}
        render={hasBudgets ? rowWithBudget : row}
      />
    </div>
  );
}

const row = (sums: EdgeSums) => <EdgeRow sums={sums} />;
const rowWithBudget = (sums: EdgeSums) => <EdgeRow sums={sums} hasBudget />;

function EdgeRow({ sums, hasBudget = false }: { readonly sums: EdgeSums; readonly hasBudget?: boolean }) {
  const { edge, calls, errors, retries, hedges, shed, p95 } = sums;
  return (
    <>
      <span role="rowheader" class="cut strong" title={edge.caller}>
        {edge.caller}
      </span>
      <span role="cell" class="cut" title={edge.service_name}>
        <a href={toService(edge.service_name)}>{edge.service_name}</a>
      </span>
      <span role="cell" class="is-number">
        {calls.toLocaleString()}
      </span>
      <span role="cell" class={`is-number ${errors > 0 ? 'is-bad' : ''}`}>
        {errors.toLocaleString()} <span class="muted">({percent(calls === 0 ? 0 : errors / calls)})</span>
      </span>
      <span role="cell" class="is-number">
        {retries.toLocaleString()}
      </span>
      <span role="cell" class="is-number">
        {hedges.toLocaleString()}
      </span>
      <span role="cell" class="is-number">
        {shed.toLocaleString()}
      </span>
      <span role="cell" class="is-number">
        {p95 === 0 ? '–' : ms(p95)}
      </span>
      {hasBudget && (
        <span role="cell" class="is-number">
          {percent(edge.retry_budget)}
        </span>
      )}
    </>
  );
}
