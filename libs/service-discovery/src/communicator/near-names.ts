import { type Clock, suggest, suggestNear } from '../common/index.js';

/** Comparing a name with every service is slow, and unknown names may come from outside, so suggestions are limited. */
const FRESH_MS = 1_000;
const NAMES_PER_PERIOD = 20;
/** Up to this many services are listed in full. */
const FEW = 10;

/**
 * Suggests the registered name that was probably meant, or lists all of them if there are few; for at most 20 names a
 * second.
 */
export class NearNames {
  private readonly texts = new Map<string, string>();
  private freshUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly names: () => Iterable<string>,
    private readonly clock: Clock,
  ) {}

  /** ` (did you mean "…"?)`; else `: known are …` if there are few; else empty. */
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
