import { signal } from '@preact/signals';

const query = matchMedia('(max-width: 720px)');

/** Whether the page has the width of a phone: rows of lists have two lines then. */
export const isNarrow = signal(query.matches);
query.addEventListener('change', ({ matches }) => {
  isNarrow.value = matches;
});
