import { clockTime, fullTime } from '../format.js';
import { type JournalEntry, type Status } from '../model.js';
import { toInstance, toService } from '../router.js';
import { StatusIcon } from './basics.js';

const ICONS: Readonly<Record<JournalEntry['severity'], Status>> = {
  info: 'unknown',
  warning: 'degraded',
  error: 'unhealthy',
};

/** The cells of an entry: when, how bad, what, about whom. */
export function JournalLine({ entry }: { readonly entry: JournalEntry }) {
  const { at, severity, text, type, process, by, reason, service_name: service, instance_id: id } = entry;
  return (
    <>
      <time role="cell" class="journal-time" dateTime={at} title={fullTime(at)}>
        {clockTime(at)}
      </time>
      <span role="cell" class="journal-severity">
        <StatusIcon status={ICONS[severity]} />
        <span class="visually-hidden">{severity}</span>
      </span>
      <span role="cell" class="journal-text" title={`${text} (${type}, reported by ${process})`}>
        {text}
        {(reason ?? by) !== null && (
          <span class="muted">
            {reason !== null && ` “${reason}”`}
            {by !== null && ` by ${by}`}
          </span>
        )}
      </span>
      <span role="cell" class="journal-subject">
        {service !== null && <a href={id === null ? toService(service) : toInstance(service, id)}>{id ?? service}</a>}
      </span>
    </>
  );
}
