import { type ComponentChildren, type VNode } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

interface VirtualListProps<T> {
  readonly items: readonly T[];
  readonly keyOf: (item: T) => string;
  readonly render: (item: T) => ComponentChildren;
  /** In CSS pixels: every row has this height. */
  readonly rowHeight: number;
  /** What a screen reader calls the list. */
  readonly label: string;
  readonly header?: ComponentChildren;
  readonly class?: string;
}

/** Rows beyond the ones in sight, so that scrolling shows no gaps. */
const SPARE = 12;
/** Rows are rendered again each time that so many have been scrolled by. */
const STEP = 6;

/** The rows that are shown, as `render` made them. */
interface Rows<T> {
  readonly render: VirtualListProps<T>['render'];
  byKey: Map<string, VNode>;
}

/** A table that renders the rows in sight; the window scrolls it. */
export function VirtualList<T>({
  items,
  keyOf,
  render,
  rowHeight,
  label,
  header,
  class: name = '',
}: VirtualListProps<T>) {
  const body = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ first: 0, count: 40 });
  useLayoutEffect(() => {
    const look = (): void => {
      const top = body.current?.getBoundingClientRect().top ?? 0;
      const first = Math.max(0, Math.floor(-top / rowHeight / STEP) * STEP - SPARE);
      const count = Math.ceil(window.innerHeight / rowHeight) + 2 * SPARE + STEP;
      setRange((before) => (before.first === first && before.count === count ? before : { first, count }));
    };
    look();
    window.addEventListener('scroll', look, { passive: true });
    window.addEventListener('resize', look);
    return () => {
      window.removeEventListener('scroll', look);
      window.removeEventListener('resize', look);
    };
  }, [rowHeight]);
  const rows = useRef<Rows<T>>({ render, byKey: new Map() });
  // Scrolling changes the range alone, and rows that stay in it are not rendered again.
  if (rows.current.render !== render) rows.current = { render, byKey: new Map() };
  const before = rows.current.byKey;
  const byKey: Rows<T>['byKey'] = new Map();
  const rowOf = (item: T, index: number): VNode => {
    const key = keyOf(item);
    const row = before.get(key) ?? (
      <div
        class="row"
        role="row"
        key={key}
        aria-rowindex={index + (header ? 2 : 1)}
        style={{ transform: `translateY(${index * rowHeight}px)`, height: `${rowHeight}px` }}
      >
        {render(item)}
      </div>
    );
    byKey.set(key, row);
    return row;
  };
  rows.current.byKey = byKey;
  const first = Math.min(range.first, Math.max(0, items.length - range.count));
  return (
    <div class={`table ${name}`} role="table" aria-label={label} aria-rowcount={items.length + (header ? 1 : 0)}>
      {header !== undefined && (
        <div role="rowgroup">
          <div class="row row-head" role="row" aria-rowindex={1}>
            {header}
          </div>
        </div>
      )}
      <div role="rowgroup" class="virtual" ref={body} style={{ height: `${items.length * rowHeight}px` }}>
        {items.slice(first, first + range.count).map((item, index) => rowOf(item, first + index))}
      </div>
    </div>
  );
}
