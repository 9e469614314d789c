import Range from 'semver/classes/range.js';
import validRange from 'semver/ranges/valid.js';
import { ServiceDiscoveryError } from '../../common/index.js';

/** Far more versions and ranges than a service has; bounds the caches against callers that generate ranges. */
const CACHE_LIMIT = 256;

/** A parsed range that caches which versions it contains. */
export class VersionRange {
  private readonly verdicts = new Map<string, boolean>();

  constructor(private readonly range: Range) {}

  has(version: string): boolean {
    let verdict = this.verdicts.get(version);
    if (verdict === undefined) {
      verdict = this.range.test(version);
      if (this.verdicts.size >= CACHE_LIMIT) this.verdicts.clear();
      this.verdicts.set(version, verdict);
    }
    return verdict;
  }
}

const parsed = new Map<string, VersionRange>();

/**
 * A semver range, parsed once. As in npm, only ranges that name a pre-release contain pre-releases.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when the text is not a semver range
 */
export function rangeOf(text: string): VersionRange {
  let range = parsed.get(text);
  if (!range) {
    range = new VersionRange(parse(text));
    if (parsed.size >= CACHE_LIMIT) parsed.clear();
    parsed.set(text, range);
  }
  return range;
}

/** Whether a text is a valid semver range. */
export function isRange(text: string): boolean {
  return validRange(text) !== null;
}

function parse(text: string): Range {
  try {
    return new Range(text);
  } catch (cause) {
    throw new ServiceDiscoveryError('INVALID_REQUEST', `${JSON.stringify(text)} is no semver range, such as "^1.2"`, {
      cause,
    });
  }
}
