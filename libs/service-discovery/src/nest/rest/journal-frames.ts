import { Channel } from '../../common/index.js';
import { type JournalEntry } from '../../model/index.js';
import { type Journal } from '../../observability/index.js';
import { frameOf, type StreamReader } from './event-streams.js';

/** A reader that is further behind is cut off; it comes back with `Last-Event-ID`. */
const LONGEST_BACKLOG = 1_000;

/**
 * The entries of the journal as frames of an event stream, from now on; before them those after `lastId`, as far as they
 * are still kept.
 * @param shown the entry as the reader may see it; undefined: not at all
 */
export async function* journalFrames(
  journal: Journal,
  reader: StreamReader,
  lastId: string | undefined,
  shown: (entry: JournalEntry) => JournalEntry | undefined,
): AsyncGenerator<string, void, undefined> {
  const stop = journal.onEntry((entry) => {
    if (channel.size >= LONGEST_BACKLOG) reader.cutOff();
    else channel.push(entry);
  });
  const channel = new Channel<JournalEntry>(stop);
  const leave = (): void => channel.close();
  reader.signal.addEventListener('abort', leave, { once: true });
  if (reader.signal.aborted) leave();
  try {
    if (lastId !== undefined) yield* frames(journal.read({ after: lastId }).reverse());
    for await (const entry of channel) yield* frames([entry]);
  } finally {
    reader.signal.removeEventListener('abort', leave);
    channel.close();
  }

  function* frames(entries: readonly JournalEntry[]): Generator<string> {
    for (const entry of entries) {
      const view = shown(entry);
      if (view) yield frameOf(view.type, view, view.id);
    }
  }
}
