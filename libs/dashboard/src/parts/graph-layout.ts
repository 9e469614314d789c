import { type EdgeLabel, Graph, type GraphLabel, layout, type NodeLabel } from '@dagrejs/dagre';

/** Of a page, and of the narrow one of a phone, where a node and the label of an edge are in sight together. */
const WIDE = { node: 236, gap: 88 };
const NARROW = { node: 200, gap: 36 };
const NODE_HEIGHT = 48;
const LABEL = { width: 116, height: 18 };

interface Point {
  readonly x: number;
  readonly y: number;
}

export interface GraphLayout {
  readonly width: number;
  readonly height: number;
  readonly node: { readonly width: number; readonly height: number };
  /** The middle of each node. */
  readonly nodes: ReadonlyMap<string, Point>;
  /** By the names of caller and service, with a space between. */
  readonly edges: ReadonlyMap<string, { readonly path: string; readonly label: Point }>;
}

/** Callers on the left, the services that they call on the right. */
export function layOut(
  names: readonly string[],
  edges: readonly { from: string; to: string }[],
  isNarrow: boolean,
): GraphLayout {
  const size = isNarrow ? NARROW : WIDE;
  const node = { width: size.node, height: NODE_HEIGHT };
  const graph = new Graph<GraphLabel, NodeLabel, EdgeLabel>();
  graph.setGraph({ rankdir: 'LR', nodesep: 28, ranksep: size.gap, marginx: 16, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const name of names) graph.setNode(name, { ...node });
  const known = new Set(names);
  for (const { from, to } of edges) {
    if (known.has(from) && known.has(to) && from !== to) graph.setEdge(from, to, { ...LABEL, labelpos: 'c' });
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  const nodes = new Map(graph.nodes().map((name) => [name, pointOf(graph.node(name))]));
  const paths = new Map(
    graph.edges().map(({ v, w }) => {
      const { points = [], x = 0, y = 0 } = graph.edge(v, w);
      const { from, to } = sidesOf(pointOf(graph.node(v)), pointOf(graph.node(w)), node.width / 2);
      const half = (from.x <= to.x ? LABEL.width : -LABEL.width) / 2;
      // Level below the label, which would hide a curve.
      const between = points.slice(1, -1).flatMap((point) =>
        point.x === x && point.y === y
          ? [
              { x: x - half, y },
              { x: x + half, y },
            ]
          : [point],
      );
      return [`${v} ${w}`, { path: curve([from, ...between, to]), label: { x, y } }];
    }),
  );
  return { width: Math.max(width, 1), height: Math.max(height, 1), node, nodes, edges: paths };
}

const pointOf = ({ x = 0, y = 0 }: Partial<Point>): Point => ({ x, y });

/** Where an edge leaves and enters: the sides that face each other. */
function sidesOf(from: Point, to: Point, halfWidth: number): { from: Point; to: Point } {
  const half = from.x <= to.x ? halfWidth : -halfWidth;
  return { from: { x: from.x + half, y: from.y }, to: { x: to.x - half, y: to.y } };
}

/** A line through the points that is level at each of them. */
function curve([first, ...rest]: readonly Point[]): string {
  if (!first) return '';
  let path = `M${first.x} ${first.y}`;
  let before = first;
  for (const point of rest) {
    const middle = (before.x + point.x) / 2;
    path += `C${middle} ${before.y} ${middle} ${point.y} ${point.x} ${point.y}`;
    before = point;
  }
  return path;
}
