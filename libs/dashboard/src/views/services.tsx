import { useMemo } from 'preact/hooks';
import { counted } from '../format.js';
import { useTopology } from '../live.js';
import { type ServiceNode } from '../model.js';
import { Ago, Chips, Empty, Heading, isFailing, Loaded, SEVERITY, StatusBadge, StatusIcon } from '../parts/basics.js';
import { Choice, distinct, StatusChoice, TextFilter } from '../parts/filters.js';
import { type Column, SortHeader } from '../parts/sort-header.js';
import { VirtualList } from '../parts/virtual-list.js';
import { route, setQuery, toService } from '../router.js';
import { isNarrow } from '../parts/narrow.js';

const COLUMNS: readonly Column[] = [
  { name: 'name', title: 'Service', order: 'ascending', class: 'cell-name' },
  { name: 'status', title: 'Status', order: 'ascending', class: 'cell-status' },
  { name: 'instances', title: 'Instances', order: 'descending', class: 'cell-instances' },
  { name: 'tier', title: 'Tier', class: 'cell-tier' },
  { name: 'tags', title: 'Tags', class: 'cell-tags' },
  { name: 'version', title: 'Version', class: 'cell-version' },
  { name: 'since', title: 'Last change', order: 'descending', class: 'cell-since' },
];

type Order = (a: ServiceNode, b: ServiceNode) => number;

const byStatus: Order = (a, b) => SEVERITY.indexOf(a.status) - SEVERITY.indexOf(b.status) || byName(a, b);

const ORDERS: ReadonlyMap<string, Order> = new Map<string, Order>([
  ['name', byName],
  ['status', byStatus],
  ['instances', (a, b) => b.instances - a.instances || byName(a, b)],
  ['since', (a, b) => (b.since ?? '').localeCompare(a.since ?? '') || byName(a, b)],
]);

function byName(a: ServiceNode, b: ServiceNode): number {
  return a.service_name < b.service_name ? -1 : a.service_name > b.service_name ? 1 : 0;
}

const FILTERS = [
  { name: 'tier', valuesOf: ({ tier }: ServiceNode) => (tier === null ? [] : [tier]) },
  { name: 'tag', valuesOf: ({ tags }: ServiceNode) => tags },
  { name: 'zone', valuesOf: ({ zones }: ServiceNode) => zones },
  { name: 'version', valuesOf: ({ versions }: ServiceNode) => versions },
] as const;

export function ServicesView() {
  const answer = useTopology();
  return (
    <>
      <Heading title="Services" />
      <Loaded answer={answer}>{({ nodes }) => <ServiceList nodes={nodes} />}</Loaded>
    </>
  );
}

function ServiceList({ nodes }: { readonly nodes: readonly ServiceNode[] }) {
  const { query } = route.value;
  const shown = useMemo(() => select(nodes, query), [nodes, query]);
  if (nodes.length === 0) {
    return (
      <Empty title="No service is registered yet">
        Start an app with <code>@DiscoverableService()</code>, or <code>POST</code> to <code>register</code>.
      </Empty>
    );
  }
  return (
    <>
      <Filters nodes={nodes} query={query} />
      <p class="list-count" role="status">
        {shown.length === nodes.length
          ? counted(nodes.length, 'service')
          : `${shown.length} of ${counted(nodes.length, 'service')}`}
      </p>
      {shown.length === 0 ? (
        <Empty title="No service matches">
          <button type="button" class="button" onClick={() => setQuery(NO_FILTER)}>
            Clear the filters
          </button>
        </Empty>
      ) : (
        <VirtualList
          class="services"
          label="Services"
          items={shown}
          keyOf={({ service_name: name }) => name}
          rowHeight={isNarrow.value ? 60 : 44}
          header={<SortHeader columns={COLUMNS} sort={query.sort ?? 'status'} />}
          render={(node) => <ServiceRow node={node} />}
        />
      )}
    </>
  );
}

const NO_FILTER = { q: '', status: '', tier: '', tag: '', zone: '', version: '' };

function select(nodes: readonly ServiceNode[], query: Readonly<Record<string, string>>): ServiceNode[] {
  const text = query.q?.toLowerCase() ?? '';
  const wanted = nodes.filter((node) => {
    if (query.status === 'failing' ? !isFailing(node.status) : query.status && node.status !== query.status)
      return false;
    if (!node.service_name.toLowerCase().includes(text)) return false;
    return FILTERS.every(({ name, valuesOf }) => {
      const value = query[name];
      return value === undefined || valuesOf(node).includes(value);
    });
  });
  return wanted.sort(ORDERS.get(query.sort ?? '') ?? byStatus);
}

function Filters({
  nodes,
  query,
}: {
  readonly nodes: readonly ServiceNode[];
  readonly query: Readonly<Record<string, string>>;
}) {
  return (
    <div class="filters" role="search" aria-label="Services">
      <TextFilter label="Name" placeholder="Filter by name" value={query.q} />
      <StatusChoice value={query.status} values={SEVERITY} />
      {FILTERS.map(({ name, valuesOf }) => {
        const values = distinct(nodes.flatMap(valuesOf));
        return values.length > 0 && <Choice key={name} name={name} value={query[name]} values={values} />;
      })}
    </div>
  );
}

function ServiceRow({ node }: { readonly node: ServiceNode }) {
  const { service_name: name, status, instances, healthy_instances: healthy, tier, tags, versions, since } = node;
  return (
    <>
      <span role="cell" class="cell-name">
        <a href={toService(name)}>{name}</a>
      </span>
      <span role="cell" class="cell-status">
        <StatusBadge status={status} />
      </span>
      <span role="cell" class="cell-instances">
        <InstanceMeter healthy={healthy} total={instances} />
        {node.expiry_held === true && (
          <span class="with-icon" title="Expiry is held: too many instances missed their heartbeats at once">
            <StatusIcon status="degraded" />
            held
          </span>
        )}
      </span>
      <span role="cell" class="cell-tier muted">
        {tier}
      </span>
      <span role="cell" class="cell-tags">
        <Chips items={tags.slice(0, 4)} />
      </span>
      <span role="cell" class="cell-version muted">
        {versions.slice(0, 2).join(', ')}
        {versions.length > 2 && ` +${versions.length - 2}`}
      </span>
      <span role="cell" class="cell-since muted">
        {since != null && <Ago at={since} suffix="" />}
      </span>
    </>
  );
}

/** Healthy of all, as figures and as a bar. */
function InstanceMeter({ healthy, total }: { readonly healthy: number; readonly total: number }) {
  return (
    <span class="meter-with-text">
      <span class="figures">
        {healthy}/{total}
      </span>
      <span class="meter" aria-hidden="true">
        <span
          class={healthy === total ? 'is-healthy' : healthy === 0 ? 'is-unhealthy' : 'is-degraded'}
          style={{ width: `${total === 0 ? 0 : (healthy / total) * 100}%` }}
        />
      </span>
    </span>
  );
}
