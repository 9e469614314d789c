import { clockTime, fullTime } from '../format.js';
import { type JournalEntry, type Status } from '../model.js';
import { toInstance, toService } from '../router.js';
import { isStatus, StatusIcon } from './basics.js';

const ICONS = { warning: 'degraded', error: 'unhealthy' } as const;

/** The cells of an entry: when, how bad, and what, with a link to the service or instance it is about. */
export function JournalLine({ entry }: { readonly entry: JournalEntry }) {
  const { at, severity, text, type, process, by, reason } = entry;
  const subject = subjectOf(entry);
  const status = statusOf(entry);
  const [before, after] = partsOf(text, subject?.name);
  return (
    <>
      <time role="cell" class="journal-time" dateTime={at} title={fullTime(at)}>
        {clockTime(at)}
      </time>
      <span role="cell" class="journal-severity">
        {status ? <StatusIcon status={status} /> : <span class="dot" />}
        <span class="visually-hidden">{severity}</span>
      </span>
      <span
        role="cell"
        class="journal-text"
        title={`${text} (${type}${process === null ? '' : `, reported by ${process}`})`}
      >
        {before}
        {subject && <a href={subject.href}>{subject.name}</a>}
        {after}
        {(reason ?? by) !== null && (
          <span class="muted">
            {reason !== null && !isCode(reason) && !text.includes(reason) && ` (${reason})`}
            {by !== null && !text.includes(by) && ` by ${by}`}
          </span>
        )}
      </span>
    </>
  );
}

/** The text of an entry says the same in words. */
const isCode = (reason: string): boolean => /^[a-z_]+$/.test(reason);

/** What stands before and after the name, which is part of most texts; else it leads. */
function partsOf(text: string, name: string | undefined): [before: string, after: string] {
  if (name === undefined) return [text, ''];
  const start = text.indexOf(name);
  return start < 0 ? ['', `: ${text}`] : [text.slice(0, start), text.slice(start + name.length)];
}

/** Of a change of status, the one that it leads to; else how bad it is. Undefined: it is not bad. */
function statusOf({ type, severity, data }: JournalEntry): Status | undefined {
  const to = type === 'instance.status_changed' ? (data as { to?: unknown } | null)?.to : undefined;
  if (isStatus(to)) return to;
  return severity === 'info' ? undefined : ICONS[severity];
}

function subjectOf({
  service_name: service,
  instance_id: id,
}: JournalEntry): { name: string; href: string } | undefined {
  if (service === null) return undefined;
  return id === null
    ? { name: service, href: toService(service) }
    : { name: `${service}/${id}`, href: toInstance(service, id) };
}
