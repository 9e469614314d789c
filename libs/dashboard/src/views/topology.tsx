import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { ms, percent, rate, words } from '../format.js';
import { useTopology } from '../live.js';
import { type CallEdge, type Fault, type ServiceNode, type Topology } from '../model.js';
import { Empty, Heading, Loaded, Section, StatusBadge, StatusIcon, Table } from '../parts/basics.js';
import { type GraphLayout, layOut } from '../parts/graph-layout.js';
import { isNarrow } from '../parts/narrow.js';
import { route, setQuery, toService } from '../router.js';

/** A larger graph cannot be read, and takes long to lay out: then the page shows what is around one service. */
const MOST_NODES = 60;

export function TopologyView() {
  const answer = useTopology();
  return (
    <>
      <Heading title="Topology">
        <span class="muted">calls of the last minute, and declared dependencies</span>
      </Heading>
      <Loaded answer={answer}>{(topology) => <TopologyOf topology={topology} />}</Loaded>
    </>
  );
}

function TopologyOf({ topology }: { readonly topology: Topology }) {
  const { nodes, edges, faults } = topology;
  const { fault: chosen, around } = route.value.query;
  const fault = faults.find(({ service_name: name }) => name === chosen);
  const connected = useMemo(() => new Set(edges.flatMap(({ from, to }) => [from, to])), [edges]);
  // A link may name a service that has left.
  const named = [around, chosen].find((name) => name !== undefined && connected.has(name));
  const focus = named ?? (connected.size > MOST_NODES ? (faults[0]?.service_name ?? busiest(edges)) : undefined);
  const shown = useMemo(() => (focus === undefined ? connected : neighbours(edges, focus)), [edges, connected, focus]);
  if (edges.length === 0) {
    return (
      <Empty title="No call and no dependency is known yet">
        Calls show here once they are made. A service declares what it calls by <code>dependencies</code>.
      </Empty>
    );
  }
  return (
    <>
      <div class="filters" role="search" aria-label="Topology">
        <label class="field">
          <span>Around</span>
          <select
            value={focus ?? ''}
            onChange={(event) => setQuery({ around: event.currentTarget.value, fault: undefined })}
          >
            {connected.size <= MOST_NODES && <option value="">all services</option>}
            {[...connected].sort().map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {faults.length > 0 && (
          <label class="field">
            <span>Effects of</span>
            <select
              value={chosen ?? ''}
              onChange={(event) => setQuery({ fault: event.currentTarget.value, around: undefined })}
            >
              <option value="">every fault</option>
              {faults.map(({ service_name: name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <Legend />
      </div>
      <Graph
        nodes={nodes.filter(({ service_name: name }) => shown.has(name))}
        edges={edges.filter(({ from, to }) => shown.has(from) && shown.has(to))}
        faults={fault ? [fault] : faults}
      />
      <Section title="Which service calls which" note="the last minute">
        <EdgeTable edges={edges.filter(({ from, to }) => shown.has(from) && shown.has(to))} nodes={nodes} />
      </Section>
    </>
  );
}

function busiest(edges: readonly CallEdge[]): string | undefined {
  const [first] = [...edges].sort((a, b) => (b.calls_per_second ?? 0) - (a.calls_per_second ?? 0));
  return first?.to;
}

/** A service, all that depend on it, and what it calls itself; the nearest first, up to the number that can be shown. */
function neighbours(edges: readonly CallEdge[], focus: string): Set<string> {
  const found = new Set([focus]);
  let frontier = [focus];
  while (frontier.length > 0 && found.size < MOST_NODES) {
    const next: string[] = [];
    for (const { from, to } of edges) {
      if (found.size >= MOST_NODES) break;
      const other = frontier.includes(to) ? from : from === focus ? to : undefined;
      if (other === undefined || found.has(other)) continue;
      found.add(other);
      if (frontier.includes(to)) next.push(other);
    }
    frontier = next;
  }
  return found;
}

function Legend() {
  return (
    <ul class="legend" aria-label="Legend">
      <li>
        <svg width="26" height="10" aria-hidden="true">
          <path class="edge" d="M0 5h26" />
        </svg>
        calls
      </li>
      <li>
        <svg width="26" height="10" aria-hidden="true">
          <path class="edge is-declared" d="M0 5h26" />
        </svg>
        declared only
      </li>
      <li>
        <svg width="26" height="14" aria-hidden="true">
          <rect class="node-affected" x="1" y="1" width="24" height="12" rx="3" />
        </svg>
        affected by a fault
      </li>
    </ul>
  );
}

interface GraphProps {
  readonly nodes: readonly ServiceNode[];
  readonly edges: readonly CallEdge[];
  readonly faults: readonly Fault[];
}

function Graph({ nodes, edges, faults }: GraphProps) {
  // Figures change all the time; the places of nodes only with the graph itself.
  const shape = JSON.stringify([nodes.map((node) => node.service_name), edges.map(({ from, to }) => [from, to])]);
  const layout = useMemo(
    () =>
      layOut(
        nodes.map((node) => node.service_name),
        edges,
        isNarrow.value,
      ),
    [shape, isNarrow.value],
  );
  const faulty = new Set(faults.map(({ service_name: name }) => name));
  const affected = new Set(faults.flatMap(({ breaks }) => breaks));
  const element = useRef<HTMLDivElement>(null);
  const worst = faults[0]?.service_name;
  useLayoutEffect(() => {
    // A graph that is wider than the page opens at what is wrong.
    const at = worst === undefined ? undefined : layout.nodes.get(worst);
    if (at && element.current)
      element.current.scrollLeft = at.x - element.current.clientWidth + layout.node.width / 2 + 12;
  }, [layout, worst]);
  return (
    <div
      ref={element}
      class="graph card"
      tabIndex={0}
      role="region"
      aria-label="Graph of calls; the table below has the same figures"
    >
      <svg viewBox={`0 0 ${layout.width} ${layout.height}`} width={layout.width} height={layout.height}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M0 0.8 7 4 0 7.2Z" class="edge-arrow" />
          </marker>
          <marker id="arrow-bad" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M0 0.8 7 4 0 7.2Z" class="edge-arrow is-bad" />
          </marker>
        </defs>
        {edges.map((edge) => {
          const place = layout.edges.get(`${edge.from} ${edge.to}`);
          const isOfFault =
            (faulty.has(edge.to) || affected.has(edge.to)) && (affected.has(edge.from) || faulty.has(edge.from));
          return place && <EdgeOf key={`${edge.from} ${edge.to}`} edge={edge} place={place} isBad={isOfFault} />;
        })}
        {nodes.map((node) => {
          const place = layout.nodes.get(node.service_name);
          return (
            place && (
              <NodeOf
                key={node.service_name}
                node={node}
                place={place}
                size={layout.node}
                isAffected={affected.has(node.service_name)}
              />
            )
          );
        })}
      </svg>
    </div>
  );
}

interface Place {
  readonly x: number;
  readonly y: number;
}

interface EdgeOfProps {
  readonly edge: CallEdge;
  readonly place: { readonly path: string; readonly label: Place };
  readonly isBad: boolean;
}

function EdgeOf({ edge, place, isBad }: EdgeOfProps) {
  const { source, calls_per_second: perSecond, error_share: errors, p95_ms: p95 } = edge;
  const hasErrors = (errors ?? 0) >= 0.01;
  const bad = isBad || hasErrors;
  const classes = ['edge', source === 'declared' && 'is-declared', bad && 'is-bad'].filter(Boolean).join(' ');
  const lines =
    source === 'declared' ? [] : [rate(perSecond), hasErrors ? `${percent(errors)} errors` : `p95 ${ms(p95)}`];
  return (
    <g>
      <title>{describe(edge)}</title>
      <path class={classes} d={place.path} marker-end={bad ? 'url(#arrow-bad)' : 'url(#arrow)'} />
      {lines.length > 0 && (
        <text class={`edge-label ${hasErrors ? 'is-bad' : ''}`} x={place.label.x} y={place.label.y - 6}>
          {lines.join(' · ')}
        </text>
      )}
    </g>
  );
}

const describe = ({
  from,
  to,
  calls_per_second: perSecond,
  error_share: errors,
  p50_ms: p50,
  p95_ms: p95,
  p99_ms: p99,
}: CallEdge): string =>
  `${from} calls ${to}: ${rate(perSecond)}, ${percent(errors)} errors, p50 ${ms(p50)}, p95 ${ms(p95)}, p99 ${ms(p99)}`;

interface NodeOfProps {
  readonly node: ServiceNode;
  readonly place: Place;
  readonly size: GraphLayout['node'];
  readonly isAffected: boolean;
}

function NodeOf({ node, place, size, isAffected }: NodeOfProps) {
  const { service_name: name, status, instances, healthy_instances: healthy } = node;
  const note = `${words(status)} · ${healthy}/${instances}`;
  return (
    <a href={toService(name)} aria-description={isAffected ? 'affected by a fault' : undefined}>
      <g transform={`translate(${place.x - size.width / 2} ${place.y - size.height / 2})`} class={`node is-${status}`}>
        {isAffected && (
          <rect class="node-affected" x="-4" y="-4" width={size.width + 8} height={size.height + 8} rx="11" />
        )}
        <rect class="node-box" width={size.width} height={size.height} rx="8" />
        <g transform="translate(12 14)">
          <StatusIcon status={status} />
        </g>
        <foreignObject x="36" y="6" width={size.width - 44} height="20">
          <div class="node-name cut" title={name}>
            {name}
          </div>
        </foreignObject>
        <text class="node-note" x="36" y="37">
          {note}
        </text>
      </g>
    </a>
  );
}

const EDGE_COLUMNS = [
  { title: 'Caller → service' },
  { title: 'Rate', isNumber: true },
  { title: 'Errors', isNumber: true },
  { title: 'p50', isNumber: true },
  { title: 'p95', isNumber: true },
  { title: 'p99', isNumber: true },
  { title: 'Status' },
  { title: 'Known by' },
];

function EdgeTable({ edges, nodes }: { readonly edges: readonly CallEdge[]; readonly nodes: readonly ServiceNode[] }) {
  const statuses = new Map(nodes.map((node) => [node.service_name, node.status]));
  const sorted = [...edges].sort((a, b) => (b.calls_per_second ?? 0) - (a.calls_per_second ?? 0));
  return (
    <Table label="Which service calls which" columns={EDGE_COLUMNS}>
      {sorted.map((edge) => (
        <tr key={`${edge.from} ${edge.to}`}>
          <th scope="row" class="edge-names">
            {edge.from}{' '}
            <span>
              → <a href={toService(edge.to)}>{edge.to}</a>
            </span>
          </th>
          <td class="is-number">{rate(edge.calls_per_second)}</td>
          <td class={`is-number ${(edge.error_share ?? 0) > 0 ? 'is-bad' : ''}`}>{percent(edge.error_share)}</td>
          <td class="is-number">{ms(edge.p50_ms)}</td>
          <td class="is-number">{ms(edge.p95_ms)}</td>
          <td class="is-number">{ms(edge.p99_ms)}</td>
          <td>
            <StatusBadge status={statuses.get(edge.to) ?? 'unknown'} />
          </td>
          <td class="muted">{edge.source === 'both' ? 'calls, declared' : edge.source}</td>
        </tr>
      ))}
    </Table>
  );
}
