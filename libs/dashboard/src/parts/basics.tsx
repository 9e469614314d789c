import { type ComponentChildren } from 'preact';
import { type ApiError } from '../api.js';
import { clockTime, duration, fullTime, now, shortTime, words } from '../format.js';
import { isCutOff } from '../live.js';
import { type Status } from '../model.js';
import { href, route } from '../router.js';

/** Each status has a shape of its own, so that colour is not needed to tell them apart. */
const SHAPES: Readonly<Record<Status, string>> = {
  healthy: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm2.9 4.3-3.4 4.2-2.2-2 .9-1 1.2 1.1 2.5-3.1 1 .8Z',
  degraded: 'M8 1.8 15 14H1L8 1.8ZM7.2 6v4h1.6V6H7.2Zm0 5v1.6h1.6V11H7.2Z',
  unhealthy:
    'M5.1 1.5h5.8l3.6 3.6v5.8l-3.6 3.6H5.1l-3.6-3.6V5.1l3.6-3.6Zm.7 3.2L4.7 5.8 6.9 8l-2.2 2.2 1.1 1.1L8 9.1l2.2 2.2 1.1-1.1L9.1 8l2.2-2.2-1.1-1.1L8 6.9 5.8 4.7Z',
  unknown: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 1.6a4.4 4.4 0 1 1 0 8.8 4.4 4.4 0 0 1 0-8.8Z',
  draining: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm.8 2.8v4.1l1.6-1.6 1 1L8 11.8 4.6 8.3l1-1 1.6 1.6V4.8h1.6Z',
  not_registered: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM4.6 7.2h6.8v1.6H4.6V7.2Z',
  maintenance: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM5.8 5.2h1.5v5.6H5.8V5.2Zm2.9 0h1.5v5.6H8.7V5.2Z',
};

/** The worst first. */
export const SEVERITY: readonly Status[] = [
  'not_registered',
  'unhealthy',
  'degraded',
  'maintenance',
  'draining',
  'unknown',
  'healthy',
];

export const isFailing = (status: Status): boolean => SEVERITY.indexOf(status) <= SEVERITY.indexOf('degraded');

export const isStatus = (value: unknown): value is Status => typeof value === 'string' && Object.hasOwn(SHAPES, value);

export function StatusIcon({ status }: { readonly status: Status }) {
  return (
    <svg class={`status-icon is-${status}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={SHAPES[status]} fill-rule="evenodd" />
    </svg>
  );
}

/** A status by shape, colour and word. */
export function StatusBadge({ status }: { readonly status: Status }) {
  return (
    <span class={`badge is-${status}`}>
      <StatusIcon status={status} />
      {words(status)}
    </span>
  );
}

/** How long ago, kept up to date; the time itself on hover. */
export function Ago({ at, suffix = ' ago' }: { readonly at: string | null | undefined; readonly suffix?: string }) {
  if (at == null) return <span class="muted">unknown</span>;
  return (
    <time dateTime={at} title={fullTime(at)}>
      {duration((now.value - Date.parse(at)) / 1_000)}
      {suffix}
    </time>
  );
}

/** Since when something has been so, and for how long: `since 17:20:21 (45 s)`. */
export function Since({ at }: { readonly at: string }) {
  return (
    <>
      since{' '}
      <time dateTime={at} title={fullTime(at)}>
        {shortTime(at)}
      </time>{' '}
      <span class="muted">
        (<Ago at={at} suffix="" />)
      </span>
    </>
  );
}

interface TableProps {
  readonly label: string;
  readonly caption?: string;
  readonly columns: readonly { readonly title: string; readonly isNumber?: boolean }[];
  /** The rows. */
  readonly children: ComponentChildren;
}

/** A table that scrolls sideways where the page is narrower. */
export function Table({ label, caption, columns, children }: TableProps) {
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label={`${label}, table`}>
      <table>
        {caption !== undefined && <caption class="muted">{caption}</caption>}
        <thead>
          <tr>
            {columns.map(({ title, isNumber = false }) => (
              <th key={title} scope="col" class={isNumber ? 'is-number' : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

interface SectionProps {
  readonly title: string;
  readonly id?: string;
  readonly note?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
}

/** A titled part of a view. */
export function Section({ title, id = slug(title), note, children, class: name = '' }: SectionProps) {
  return (
    <section class={`card ${name}`} aria-labelledby={id}>
      <header class="card-head">
        <h2 id={id}>{title}</h2>
        {note !== undefined && <div class="card-note">{note}</div>}
      </header>
      {children}
    </section>
  );
}

const slug = (title: string): string => `part-${title.toLowerCase().replace(/[^a-z]+/g, '-')}`;

/** Nothing to show: what that means, and what to do about it. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children !== undefined && <p>{children}</p>}
    </div>
  );
}

/** What was about to be shown is a service, or something of one. */
function Gone() {
  return (
    <>
      It may have been deregistered; <a href={href(['journal'], { service: route.value.path[1] })}>the journal</a> shows
      when.
    </>
  );
}

const ADVICE: Readonly<Record<number, ComponentChildren>> = {
  0: 'The page tries again by itself. Check that the process runs, and that this machine reaches it.',
  403: 'Ask for a token with the right to read, or open the page on the machine of the process.',
  400: 'Correct what was typed.',
  404: <Gone />,
  429: 'Too many requests: the page tries again by itself.',
  503: 'The page tries again by itself.',
};

interface FailureProps {
  readonly error: ApiError;
  /** When what is shown in spite of it was read. */
  readonly readAt: number | undefined;
}

export function Failure({ error, readAt }: FailureProps) {
  return (
    <div class="failure" role="alert">
      <StatusIcon status="unhealthy" />
      <div>
        <p class="empty-title">{error.message}</p>
        <p>{ADVICE[error.status] ?? 'The log of the process says more.'}</p>
        {readAt !== undefined && <p>What follows was read at {clockTime(readAt)}, and may have changed.</p>}
      </div>
    </div>
  );
}

interface LoadedProps<T> {
  readonly answer: { readonly data?: T; readonly error?: ApiError; readonly readAt?: number };
  readonly children: (data: T) => ComponentChildren;
}

/** The data of an answer; while there is none, why, unless the page says it. */
export function Loaded<T>({ answer: { data, error: last, readAt }, children }: LoadedProps<T>) {
  const error = last?.status === 0 && isCutOff() ? undefined : last;
  return (
    <>
      {error && <Failure error={error} readAt={readAt} />}
      {data !== undefined && children(data)}
      {data === undefined && !error && <div class="loading">Loading…</div>}
    </>
  );
}

export function Chips({ items, label }: { readonly items: readonly string[]; readonly label?: string }) {
  if (items.length === 0) return null;
  return (
    <ul class="chips" aria-label={label}>
      {items.map((item) => (
        <li class="chip" key={item}>
          {item}
        </li>
      ))}
    </ul>
  );
}

/** Names and what they stand for. */
export function Facts({ facts }: { readonly facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{words(name)}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The heading of a view, which has the focus after a change of view. */
export function Heading({
  title,
  children,
}: {
  readonly title: ComponentChildren;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="view-head">
      <h1 tabIndex={-1}>{title}</h1>
      {children}
    </div>
  );
}
