import { type Clock, suggest, suggestNear } from '../common/index.js';

/** A name is compared with every service, so unknown names, which may come from outside, must not cost much time. */
const FRESH_MS = 1_000;
const NAMES_PER_PERIOD = 20;
/** Of so many services all are named. */
const FEW = 10;

/**
 * Finds the registered name that was probably meant by one that is not registered, or tells which few there are; for 20 names
 * a second at most.
 */
export class NearNames {
  private readonly texts = new Map<string, string>();
  private freshUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly names: () => Iterable<string>,
    private readonly clock: Clock,
  ) {}

  /** ` (did you mean "…"?)`; else `: known are …` where they are few, or nothing. */
  suggest(name: string): string {
    const now = this.clock.now();
    if (now >= this.freshUntil) {
      this.texts.clear();
      this.freshUntil = now + FRESH_MS;
    }
    let text = this.texts.get(name);
    if (text === undefined) {
      if (this.texts.size >= NAMES_PER_PERIOD) return '';
      const names = [...this.names()];
      text = names.length > 0 && names.length <= FEW ? suggest(name, names) : suggestNear(name, names);
      this.texts.set(name, text);
    }
    return text;
  }
}
