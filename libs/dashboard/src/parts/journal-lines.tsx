import { type ComponentChildren } from 'preact';
import { clockTime, fullTime } from '../format.js';
import { type JournalEntry, type Status } from '../model.js';
import { href, route, toInstance, toService } from '../router.js';
import { isStatus, StatusIcon } from './basics.js';

const ICONS = { warning: 'degraded', error: 'unhealthy' } as const;

/** The cells of an entry: when, how bad, and what, with a link to the service or instance it is about. */
export function JournalLine({ entry, services }: JournalEntryProps) {
  const { id, at, severity, text, by, reason } = entry;
  const status = statusOf(entry);
  return (
    <>
      <span role="cell" class="journal-time">
        <a href={toEntry(id)} title={fullTime(at)} aria-label={`${clockTime(at)}, details`}>
          <time dateTime={at}>{clockTime(at)}</time>
        </a>
      </span>
      <span role="cell" class="journal-severity">
        {status ? <StatusIcon status={status} /> : <span class="dot" />}
        <span class="visually-hidden">{severity}</span>
      </span>
      <span role="cell" class="journal-text" title={text}>
        <JournalText entry={entry} services={services} />
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

/** The address of an entry, beside the filters where the journal is open. */
function toEntry(id: string): string {
  const { path, query } = route.value;
  return href(['journal'], path[0] === 'journal' ? { ...query, entry: id } : { entry: id });
}

interface Link {
  readonly name: string;
  readonly href: string;
}

interface JournalEntryProps {
  readonly entry: JournalEntry;
  /** The names that have a page. */
  readonly services: ReadonlySet<string>;
}

/** The text with links to the service and the instance that it is about; where it names none, the link leads. */
export function JournalText({ entry, services }: JournalEntryProps) {
  const { service_name: service, instance_id: id, text } = entry;
  if (service === null) return <>{text}</>;
  // An instance has a page even when its service is gone: the page says that, and what happened.
  if (id === null && !services.has(service)) return <>{text.includes(service) ? text : `${service}: ${text}`}</>;
  const toIt: Link = { name: service, href: toService(service) };
  if (id === null) return <>{text.includes(service) ? linked(text, [toIt]) : linked(`${service}: ${text}`, [toIt])}</>;
  const whole: Link = { name: `${service}/${id}`, href: toInstance(service, id) };
  if (text.includes(whole.name)) return <>{linked(text, [whole])}</>;
  if (text.includes(service)) return <>{linked(text, [toIt, { ...whole, name: id }])}</>;
  return <>{linked(`${whole.name}: ${text}`, [whole])}</>;
}

/** @param links in the order of the text; those that it does not have are left out */
function linked(text: string, [link, ...others]: readonly Link[]): ComponentChildren[] {
  if (!link) return [text];
  const start = text.indexOf(link.name);
  if (start < 0) return linked(text, others);
  const { name, href: to } = link;
  return [
    text.slice(0, start),
    <a key={to} href={to}>
      {name}
    </a>,
    ...linked(text.slice(start + name.length), others),
  ];
}

/** Of a change of status, the one that it leads to; else how bad it is. Undefined: it is not bad. */
function statusOf({ type, severity, data }: JournalEntry): Status | undefined {
  const to = type === 'instance.status_changed' ? (data as { to?: unknown } | null)?.to : undefined;
  if (isStatus(to)) return to;
  return severity === 'info' ? undefined : ICONS[severity];
}
