import { CHECK_THE_NAME, type Clock, suggest, suggestNear } from '../common/index.js';

/** Comparing a name with every service is slow, and unknown names may come from outside, so suggestions are limited. */
const FRESH_MS = 1_000;
const NAMES_PER_PERIOD = 20;
/** Up to this many services are listed in full. */
const FEW = 10;

/**
 * Suggests the registered name that was probably meant, or lists all of them if there are few and says what else may be the
 * cause; for at most 20 names a second.
 */
export class NearNames {
  private readonly texts = new Map<string, string>();
  private freshUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly names: () => Iterable<string>,
    private readonly clock: Clock,
    /** What else may be the cause where no name is near. @default nothing */
    private readonly hint: () => string = () => '',
  ) {}

  /** What to do: ` (did you mean "…"?)`; else `: known are …` if there are few, and a sentence of its own, the hint if there is one. */
  suggest(name: string): string {
    const now = this.clock.now();
    if (now >= this.freshUntil) {
      this.texts.clear();
      this.freshUntil = now + FRESH_MS;
    }
    let text = this.texts.get(name);
    if (text === undefined) {
      if (this.texts.size >= NAMES_PER_PERIOD) return `. ${CHECK_THE_NAME}`;
      text = this.textFor(name);
      this.texts.set(name, text);
    }
    return text;
  }

  private textFor(name: string): string {
    const names = [...this.names()];
    // A URL in place of the name: `http://user-service/users`.
    const near = suggestNear(name.replace(/^[a-z]+:\/\/([^/:]*).*$/i, '$1'), names);
    if (near !== '') return near;
    const known = names.length > 0 && names.length <= FEW ? suggest(name, names) : '';
    return `${known}. ${this.hint() || CHECK_THE_NAME}`;
  }
}
