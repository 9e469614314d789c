import { type ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { fullTime, ms } from '../format.js';
import { type JournalEntry } from '../model.js';
import { Facts } from './basics.js';
import { JournalText } from './journal-lines.js';
import { setQuery } from '../router.js';

interface EntryDialogProps {
  /** Undefined: it is not kept any more. */
  readonly entry: JournalEntry | undefined;
  /** The names that have a page. */
  readonly services: ReadonlySet<string>;
}

/** All that the journal has about an event: whole texts, who reported it, ids of the request and its trace. */
export function EntryDialog({ entry, services }: EntryDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      class="dialog is-wide"
      aria-labelledby="entry-title"
      onClose={() => setQuery({ entry: undefined })}
    >
      <h2 id="entry-title">
        {entry ? <JournalText entry={entry} services={services} /> : 'This event is not kept any more'}
      </h2>
      {entry ? (
        <Facts facts={factsOf(entry)} />
      ) : (
        <p>
          The journal keeps the last events; the option <code>journal</code> says how many.
        </p>
      )}
      <div class="dialog-buttons">
        <button type="button" class="button" autofocus onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}

/** Fields of an entry that the text of the dialog has already. */
const SHOWN = new Set(['by', 'reason']);

function factsOf({
  at,
  type,
  severity,
  process,
  caller,
  by,
  reason,
  data,
}: JournalEntry): [string, ComponentChildren][] {
  const facts: [string, ComponentChildren][] = [
    ['when', fullTime(at)],
    ['type', <code key="type">{type}</code>],
    ['severity', severity],
  ];
  if (by !== null) facts.push(['by', by]);
  if (reason !== null) facts.push(['reason', reason]);
  if (process !== null) facts.push(['reported by', caller === null ? process : `${caller} (${process})`]);
  for (const [name, value] of Object.entries(data)) {
    if (SHOWN.has(name)) continue;
    if (name.endsWith('_ms') && typeof value === 'number') facts.push([name.slice(0, -3), ms(value)]);
    else facts.push([name, typeof value === 'string' ? value : JSON.stringify(value)]);
  }
  return facts;
}
