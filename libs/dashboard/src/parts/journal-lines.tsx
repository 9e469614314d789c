import { clockTime, fullTime } from '../format.js';
import { type JournalEntry, type Status } from '../model.js';
import { toInstance, toService } from '../router.js';
import { isStatus, StatusIcon } from './basics.js';

const ICONS: Readonly<Record<JournalEntry['severity'], Status>> = {
  info: 'unknown',
  warning: 'degraded',
  error: 'unhealthy',
};

/** The cells of an entry: when, how bad, and what, with a link to the service or instance it is about. */
export function JournalLine({ entry }: { readonly entry: JournalEntry }) {
  const { at, severity, text, type, process, by, reason } = entry;
  const subject = subjectOf(entry);
  const hasSubject = subject !== undefined && text.startsWith(subject.name);
  return (
    <>
      <time role="cell" class="journal-time" dateTime={at} title={fullTime(at)}>
        {clockTime(at)}
      </time>
      <span role="cell" class="journal-severity">
        <StatusIcon status={iconOf(entry)} />
        <span class="visually-hidden">{severity}</span>
      </span>
      <span
        role="cell"
        class="journal-text"
        title={`${text} (${type}${process === null ? '' : `, reported by ${process}`})`}
      >
        {subject && <a href={subject.href}>{subject.name}</a>}
        {hasSubject ? text.slice(subject.name.length) : `${subject ? ': ' : ''}${text}`}
        {(reason ?? by) !== null && (
          <span class="muted">
            {reason !== null && !text.includes(reason) && ` “${reason}”`}
            {by !== null && ` by ${by}`}
          </span>
        )}
      </span>
    </>
  );
}

/** Of a change of status, the status that it leads to. */
function iconOf({ type, severity, data }: JournalEntry): Status {
  const to = type === 'instance.status_changed' ? (data as { to?: unknown } | null)?.to : undefined;
  return isStatus(to) ? to : ICONS[severity];
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
