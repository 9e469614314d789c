import { clockTime, duration, now } from '../format.js';
import { type Transition } from '../model.js';

/** Statuses one after the other as a strip, from the first change that is known until now. */
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
  const x = (time: number): number => ((time - start) / (end - start)) * 1_000;
  return (
    <figure class="timeline">
      <svg viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label={describe(parts)}>
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
        <span>{clockTime(first.at)}</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}

function describe(parts: readonly { status: string; from: number; until: number }[]): string {
  return parts.map(({ status, from, until }) => `${status} for ${duration((until - from) / 1_000)}`).join(', then ');
}
