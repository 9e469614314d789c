import { Channel } from '../../common/index.js';
import { type JournalEntry } from '../../model/index.js';
import { type Fleet, type Journal } from '../../observability/index.js';
import { frameOf, type StreamReader } from './event-streams.js';

/** The last frame, so that an entry is serialised once for readers that are up to date. Older frames would outgrow the journal's bound. */
let last: { readonly entry: JournalEntry; readonly frame: string } | undefined;

/** A reader that is further behind is cut off; it comes back with `Last-Event-ID`. */
const LONGEST_BACKLOG = 1_000;

/**
 * The entries of the journal as frames of an event stream, from now on; before them those after `lastId`, as far as they
 * are still kept.
 * @param shown the entry as the reader may see it; undefined: not at all
 */
export async function* journalFrames(
  journal: Journal,
  fleet: Fleet,
  reader: StreamReader,
  lastId: string | undefined,
  shown: (entry: JournalEntry) => JournalEntry | undefined,
): AsyncGenerator<string, void, undefined> {
  const unfollow = fleet.follow();
  const stop = journal.onEntry((entry) => {
    if (channel.size >= LONGEST_BACKLOG) reader.cutOff();
    else channel.push(entry);
  });
  const channel = new Channel<JournalEntry>(stop);
  const leave = (): void => channel.close();
  reader.signal.addEventListener('abort', leave, { once: true });
  if (reader.signal.aborted) leave();
  try {
    const missed = lastId === undefined ? [] : await missedSince(lastId);
    yield* frames(missed);
    const sent = new Set(missed.map(({ id }) => id));
    for await (const entry of channel) if (!sent.has(entry.id)) yield* frames([entry]);
  } finally {
    reader.signal.removeEventListener('abort', leave);
    channel.close();
    unfollow();
  }

  async function missedSince(id: string): Promise<JournalEntry[]> {
    await fleet.catchUp();
    return journal.read({ after: id }).reverse();
  }

  function* frames(entries: readonly JournalEntry[]): Generator<string> {
    for (const entry of entries) {
      const view = shown(entry);
      if (view) yield frameOfEntry(view);
    }
  }
}

function frameOfEntry(entry: JournalEntry): string {
  if (last?.entry !== entry) last = { entry, frame: frameOf(entry.type, entry, entry.id) };
  return last.frame;
}
