import Range from 'semver/classes/range.js';
import validRange from 'semver/ranges/valid.js';
import { ServiceDiscoveryError } from '../../common/index.js';
import { rolloutShare, type ServiceInstance, type ServiceSplit } from '../../model/index.js';

/** Far more versions and ranges than a service has; bounds the caches against callers that generate ranges. */
const CACHE_LIMIT = 256;

/** A parsed range that caches which versions it contains. */
class VersionRange {
  private readonly verdicts = new Map<string, boolean>();

  /** @param range by its shape, since apps that compile this type need not have the types of semver */
  constructor(private readonly range: { test(version: string): boolean }) {}

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
    throw new ServiceDiscoveryError(
      'INVALID_REQUEST',
      `The version ${JSON.stringify(text)} is no semver range. Ask for one, such as "^1.2"`,
      {
        cause,
      },
    );
  }
}

/** The group of instances whose version is in no configured range. */
export const UNLISTED = -1;

/** The share of the calls that instances of a version get; all others get the rest. */
export interface VersionShare {
  /** A semver range. */
  readonly version: string;
  /** Per cent: 0 to 100. With 0 they get none, even if there are no others. */
  readonly share: number;
}

/** What a rollout gives to its version; undefined: nothing is rolled out. */
export function versionShareOf(split: ServiceSplit | undefined): VersionShare | undefined {
  const { rollout } = split ?? {};
  // A later version of the library may take ranges that this one cannot read.
  return rollout && isRange(rollout.version) ? { version: rollout.version, share: rolloutShare(rollout) } : undefined;
}

/** The share of calls that goes to each version range. */
export class VersionGroups {
  private readonly ranges: readonly { readonly text: string; readonly range: VersionRange; readonly weight: number }[];

  /** @param unlisted the weight of versions in no range */
  constructor(
    weights: Readonly<Record<string, number>>,
    private readonly unlisted = 0,
  ) {
    this.ranges = Object.entries(weights).map(([text, weight]) => ({ text, range: rangeOf(text), weight }));
  }

  /** The first group whose range contains the instance's version. */
  groupOf({ version }: ServiceInstance): number {
    return version === undefined ? UNLISTED : this.ranges.findIndex(({ range }) => range.has(version));
  }

  nameOf(group: number): string {
    return this.ranges[group]?.text ?? 'other versions';
  }

  /** Whether the group is configured with weight 0. */
  isClosed(group: number): boolean {
    return this.ranges[group]?.weight === 0;
  }

  /**
   * The share of each group that has eligible instances. Unlisted versions take the calls only if no listed group with a
   * weight is among them: a release must not fail because its version is missing from the configuration.
   */
  sharesOf(groups: ReadonlySet<number>): ReadonlyMap<number, number> {
    const sum = [...groups].reduce((all, group) => all + this.weightOf(group), 0);
    if (sum === 0) return new Map([[UNLISTED, 1]]);
    return new Map([...groups].map((group) => [group, this.weightOf(group) / sum]));
  }

  private weightOf(group: number): number {
    return group === UNLISTED ? this.unlisted : (this.ranges[group]?.weight ?? 0);
  }
}
