import { type EdgeLabel, Graph, type GraphLabel, layout, type NodeLabel } from '@dagrejs/dagre';

export const NODE = { width: 216, height: 48 };

interface Point {
  readonly x: number;
  readonly y: number;
}

export interface GraphLayout {
  readonly width: number;
  readonly height: number;
  /** The middle of each node. */
  readonly nodes: ReadonlyMap<string, Point>;
  /** By the names of caller and service, with a space between. */
  readonly edges: ReadonlyMap<string, { readonly path: string; readonly label: Point }>;
}

/** Callers on the left, the services that they call on the right. */
export function layOut(names: readonly string[], edges: readonly { from: string; to: string }[]): GraphLayout {
  const graph = new Graph<GraphLabel, NodeLabel, EdgeLabel>();
  graph.setGraph({ rankdir: 'LR', nodesep: 28, ranksep: 130, marginx: 16, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const name of names) graph.setNode(name, { ...NODE });
  const known = new Set(names);
  for (const { from, to } of edges) {
    if (known.has(from) && known.has(to) && from !== to)
      graph.setEdge(from, to, { width: 110, height: 18, labelpos: 'c' });
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  const nodes = new Map(graph.nodes().map((name) => [name, pointOf(graph.node(name))]));
  const paths = new Map(
    graph.edges().map(({ v, w }) => {
      const { points = [], x = 0, y = 0 } = graph.edge(v, w);
      return [`${v} ${w}`, { path: smooth(points), label: { x, y } }];
    }),
  );
  return { width: Math.max(width, 1), height: Math.max(height, 1), nodes, edges: paths };
}

const pointOf = ({ x = 0, y = 0 }: Partial<Point>): Point => ({ x, y });

/** A line through the middles of its parts, which rounds its corners. */
function smooth(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) return '';
  const last = rest.at(-1) ?? first;
  const corners = rest.slice(0, -1).map((point, index) => {
    const next = rest[index + 1] ?? last;
    return `Q${point.x} ${point.y} ${(point.x + next.x) / 2} ${(point.y + next.y) / 2}`;
  });
  return `M${first.x} ${first.y}${corners.join('')}L${last.x} ${last.y}`;
}
