import { type Clock, suggestNear } from '../common/index.js';

/** A name is compared with every service, so unknown names, which may come from outside, must not cost much time. */
const FRESH_MS = 1_000;
const NAMES_PER_PERIOD = 20;

/** Finds the registered name that was probably meant by one that is not registered; for 20 names a second at most. */
export class NearNames {
  private readonly texts = new Map<string, string>();
  private freshUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly names: () => Iterable<string>,
    private readonly clock: Clock,
  ) {}

  /** ` (did you mean "…"?)`, or nothing. */
  suggest(name: string): string {
    const now = this.clock.now();
    if (now >= this.freshUntil) {
      this.texts.clear();
      this.freshUntil = now + FRESH_MS;
    }
    let text = this.texts.get(name);
    if (text === undefined) {
      if (this.texts.size >= NAMES_PER_PERIOD) return '';
      text = suggestNear(name, [...this.names()]);
      this.texts.set(name, text);
    }
    return text;
  }
}
