import { type ComponentChildren } from 'preact';
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
        {items.slice(first, first + range.count).map((item, index) => (
          <div
            class="row"
            role="row"
            key={keyOf(item)}
            aria-rowindex={first + index + (header ? 2 : 1)}
            style={{ transform: `translateY(${(first + index) * rowHeight}px)`, height: `${rowHeight}px` }}
          >
            {render(item)}
          </div>
        ))}
      </div>
    </div>
  );
}
