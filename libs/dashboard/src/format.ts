import { signal } from '@preact/signals';

/** The time that "12 s ago" is told by. */
export const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1_000);

/** A length of time in its largest unit, which no line break parts from it: `45 s`, `3 min`, `2 h`, `5 d`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole}\u00a0s`;
  if (whole < 90 * 60) return `${Math.round(whole / 60)}\u00a0min`;
  if (whole < 36 * 3_600) return `${Math.round(whole / 3_600)}\u00a0h`;
  return `${Math.round(whole / 86_400)}\u00a0d`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const DAY_AND_CLOCK = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium',
  timeStyle: 'medium',
  hourCycle: 'h23',
});

/** @param at ISO 8601, or milliseconds since the Unix epoch */
export const clockTime = (at: string | number): string => CLOCK.format(new Date(at));

/** A time of the last day by the clock alone. */
export const shortTime = (iso: string): string =>
  now.value - Date.parse(iso) < 86_400_000 ? clockTime(iso) : fullTime(iso);
export const fullTime = (iso: string): string => DAY_AND_CLOCK.format(new Date(iso));

export function ms(value: number | null | undefined): string {
  if (value == null) return '–';
  if (value >= 10_000) return `${(value / 1_000).toFixed(0)} s`;
  if (value >= 1_000) return `${Number((value / 1_000).toFixed(1))} s`;
  if (value > 0 && value < 0.1) return '< 0.1 ms';
  return value < 10 ? `${Number(value.toFixed(1))} ms` : `${Math.round(value)} ms`;
}

export function percent(share: number | null | undefined): string {
  if (share == null) return '–';
  const value = share * 100;
  if (value === 0 || value === 100) return `${value}%`;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)}%`;
}

/** Calls a second. */
export function rate(perSecond: number | null | undefined): string {
  if (perSecond == null) return '–';
  if (perSecond >= 10) return `${Math.round(perSecond).toLocaleString()}/s`;
  // A few calls an hour are not none.
  return `${Number(perSecond < 0.1 ? perSecond.toPrecision(1) : perSecond.toFixed(1))}/s`;
}

/** `1 service`, `2 services`. */
export const counted = (count: number, noun: string): string =>
  `${count.toLocaleString()} ${noun}${count === 1 ? '' : 's'}`;

/** `half_open` as `Half open`. */
export const sentence = (name: string): string => words(name.charAt(0).toUpperCase() + name.slice(1));

/** `half_open` as `half open`. */
export const words = (name: string): string => name.replaceAll('_', ' ');

/** A setting as a text: lists and objects by their parts. */
export function settingText(value: unknown): string {
  if (value === false) return 'off';
  if (value === true) return 'on';
  if (value === null || value === undefined) return '–';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(listItem).join(', ');
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([name, own]) => `${words(name)} ${settingText(own)}`)
      .join(', ');
  }
  return typeof value === 'string' ? words(value) : JSON.stringify(value);
}

const listItem = (item: unknown): string => (Array.isArray(item) ? item.join('–') : settingText(item));
