import { setQuery } from '../router.js';

export interface Column {
  readonly name: string;
  readonly title: string;
  /** In which order rows are sorted by it; left out: they cannot be. */
  readonly order?: 'ascending' | 'descending';
  readonly class?: string;
}

interface SortHeaderProps {
  readonly columns: readonly Column[];
  /** The column that rows are sorted by. */
  readonly sort: string;
}

/** The cells of a table's head. What rows are sorted by stands in the page's address. */
export function SortHeader({ columns, sort }: SortHeaderProps) {
  return columns.map(({ name, title, order, class: cell }) => (
    <span
      role="columnheader"
      key={name}
      class={cell}
      aria-sort={order === undefined ? undefined : sort === name ? order : 'none'}
    >
      {order === undefined ? (
        title
      ) : (
        <button type="button" onClick={() => setQuery({ sort: name })}>
          {title}
        </button>
      )}
    </span>
  ));
}
