import { FOREIGN_NAMES } from './foreign-names.js';

/**
 * ` (did you mean "…"?)`, or, where no known name is near, all of them.
 * @param prefix what stands before every name, and so says nothing about which one was meant
 */
export function suggest(name: string, known: readonly string[], prefix = ''): string {
  const ranked = known
    .map((candidate) => {
      const start = commonStart(name.toLowerCase(), candidate.toLowerCase());
      return { candidate, start, distance: distance(name.toLowerCase(), candidate.toLowerCase()) };
    })
    // What begins alike was meant rather than what looks alike: `retries` is `retry`, not `metrics`.
    .sort((a, b) => a.distance - a.start - (b.distance - b.start));
  const nearest = ranked[0];
  if (nearest && nearest.distance <= Math.max(2, Math.floor(name.length / 5) + Math.floor(nearest.start / 2)))
    return didYouMean([prefix + nearest.candidate]);
  return `: known are ${known.map((one) => prefix + one).join(', ')}`;
}

/** ` (did you mean "…"?)` beside a list of all known names; empty where none of them is near. */
export function suggestNear(value: unknown, known: readonly string[]): string {
  const text = typeof value === 'string' ? suggest(value, known) : '';
  return text.startsWith(':') ? '' : text;
}

/** All names that a value may be, and the one that was meant, where one is near. */
export function oneOfNames(value: unknown, known: readonly string[]): string {
  return `one of ${known.map((name) => JSON.stringify(name)).join(', ')}${suggestNear(value, known)}`;
}

/**
 * The same as `suggest` for the name of an option, which may be right but for its spelling (`base_delay`), have its unit in
 * its name (`timeoutMs`), come from another library (`retries`), or belong into a group (`healthCheckInterval`).
 * @param known the names that there are where it stands
 * @param inGroups what stands in groups there, with the group before it: `healthCheck.interval`
 */
export function suggestOption(name: string, known: readonly string[], inGroups: readonly string[] = []): string {
  const wanted = [...spellingsOf(name)].flatMap((spelling) => [spelling, ...foreignNames(spelling)]);
  for (const one of wanted) {
    const here = known.find((candidate) => plain(candidate) === one);
    if (here !== undefined) return didYouMean([here]);
  }
  const typo = known.find((candidate) => distance(plain(candidate), plain(name)) === 1);
  if (typo !== undefined) return didYouMean([typo]);
  for (const one of wanted) {
    const inside = inGroups.filter((path) => plain(path) === one || plain(path.split('.')[1] ?? '') === one);
    if (inside.length > 0) return didYouMean(inside.slice(0, 2));
  }
  return suggest(name, known);
}

function foreignNames(spelling: string): string[] {
  return Object.hasOwn(FOREIGN_NAMES, spelling) ? FOREIGN_NAMES[spelling]!.map(plain) : [];
}

/** As it is, and without its unit. */
function spellingsOf(name: string): Set<string> {
  const spelling = plain(name);
  return new Set([spelling, spelling.replace(/(?:in)?(?:ms|millis|milliseconds|secs?|seconds)$/, '')]);
}

/** In small letters, without what separates words. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function didYouMean(names: readonly string[]): string {
  return ` (did you mean ${names.map((name) => `"${name}"`).join(' or ')}?)`;
}

function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** Levenshtein's: how many characters to insert, remove or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
