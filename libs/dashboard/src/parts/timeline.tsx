import { duration, now, shortTime, words } from '../format.js';
import { type Transition } from '../model.js';

/** How much of the strip is for the status before the first change that is known, of 1,000. */
const BEFORE = 50;

/** Statuses one after the other as a strip, from the first change that is known until now, after the status before it. */
export function Timeline({ transitions }: { readonly transitions: readonly Transition[] }) {
  const [first] = transitions;
  if (!first) return null;
  const start = Date.parse(first.at);
  const end = Math.max(now.value, start + 1_000);
  const parts = transitions.map(({ to, at }, index) => {
    const from = Date.parse(at);
    const until = index + 1 < transitions.length ? Date.parse(transitions[index + 1]?.at ?? at) : end;
    return { status: to ?? 'gone', from, until };
  });
  const before = first.from === null ? 0 : BEFORE;
  const x = (time: number): number => before + ((time - start) / (end - start)) * (1_000 - before);
  return (
    <figure class="timeline">
      <svg viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label={describe(first.from, parts)}>
        {first.from !== null && (
          <rect class={`is-${first.from}`} width={before} height="24">
            <title>{`${words(first.from)} before`}</title>
          </rect>
        )}
        {parts.map(({ status, from, until }) => (
          <rect
            key={from}
            class={`is-${status}`}
            x={x(from)}
            y="0"
            width={Math.max(1.5, x(until) - x(from))}
            height="24"
          >
            <title>{`${status} for ${duration((until - from) / 1_000)}`}</title>
          </rect>
        ))}
      </svg>
      <figcaption class="muted">
        <span>
          {first.from === null ? '' : `${words(first.from)} before `}
          {shortTime(first.at)}
        </span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}

function describe(before: string | null, parts: readonly { status: string; from: number; until: number }[]): string {
  const known = parts
    .map(({ status, from, until }) => `${status} for ${duration((until - from) / 1_000)}`)
    .join(', then ');
  return before === null ? known : `${words(before)} before, then ${known}`;
}
