import { useMemo, useState } from 'preact/hooks';
import { counted } from '../format.js';
import { connection, journal, useServiceNames } from '../live.js';
import { type JournalEntry } from '../model.js';
import { Empty, Heading } from '../parts/basics.js';
import { EntryDialog } from '../parts/entry-dialog.js';
import { Choice, distinct, TextFilter } from '../parts/filters.js';
import { JournalLine } from '../parts/journal-lines.js';
import { isNarrow } from '../parts/narrow.js';
import { VirtualList } from '../parts/virtual-list.js';
import { route, setQuery } from '../router.js';

export function JournalView() {
  const [held, setHeld] = useState<readonly JournalEntry[]>();
  const { query } = route.value;
  const services = useServiceNames();
  const entries = held ?? journal.value;
  const shown = useMemo(() => entries.filter(matching(query)), [entries, query]);
  const isKnown = connection.value === 'live' || journal.value.length > 0;
  return (
    <>
      <Heading title="Journal">
        <button
          type="button"
          class="button"
          aria-pressed={held !== undefined}
          onClick={() => setHeld(held ? undefined : journal.value)}
        >
          {held ? 'Follow again' : 'Hold still'}
        </button>
      </Heading>
      <Filters entries={entries} query={query} />
      <p class="list-count" role="status">
        {shown.length === entries.length
          ? counted(entries.length, 'event')
          : `${shown.length} of ${counted(entries.length, 'event')}`}
        {held && journal.value[0] !== held[0] && ', newer ones wait'}
        {connection.value === 'lost' && '; the stream is interrupted, so newer ones are missing'}
      </p>
      {shown.length === 0 ? (
        <Empty title={entries.length === 0 ? 'No event yet' : 'No event matches'}>
          {entries.length === 0 ? (
            'Registrations, changes of health, circuits and actions appear here as they happen.'
          ) : (
            <button type="button" class="button" onClick={() => setQuery(NO_FILTER)}>
              Clear the filters
            </button>
          )}
        </Empty>
      ) : (
        <VirtualList
          class="journal"
          label="Journal"
          items={shown}
          keyOf={({ id }) => id}
          rowHeight={isNarrow.value ? 94 : 36}
          render={(entry) => <JournalLine entry={entry} services={services} />}
        />
      )}
      {query.entry !== undefined && isKnown && (
        <EntryDialog entry={journal.value.find(({ id }) => id === query.entry)} services={services} />
      )}
    </>
  );
}

const NO_FILTER = { q: '', service: '', type: '', severity: '' };

type Query = Readonly<Record<string, string>>;

function matching({ q = '', service = '', type = '', severity = '' }: Query): (entry: JournalEntry) => boolean {
  const text = q.toLowerCase();
  return (entry) =>
    (service === '' || entry.service_name === service) &&
    (type === '' || entry.type === type) &&
    (severity === '' || entry.severity === severity) &&
    (text === '' || `${entry.text} ${entry.reason ?? ''} ${entry.by ?? ''}`.toLowerCase().includes(text));
}

function Filters({ entries, query }: { readonly entries: readonly JournalEntry[]; readonly query: Query }) {
  const types = distinct(entries.map(({ type }) => type));
  const services = distinct(entries.flatMap(({ service_name: name }) => name ?? []));
  return (
    <div class="filters" role="search" aria-label="Events">
      <TextFilter label="Text" placeholder="Filter by text" value={query.q} />
      <Choice name="service" value={query.service} values={services} />
      <Choice name="type" value={query.type} values={types} />
      <Choice name="severity" value={query.severity} values={['info', 'warning', 'error']} />
    </div>
  );
}
