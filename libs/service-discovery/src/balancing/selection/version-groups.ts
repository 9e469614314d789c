import { type ServiceInstance } from '../../model/index.js';
import { type VersionRange, rangeOf } from './version-range.js';

/** The group of instances whose version is in no configured range. */
export const UNLISTED = -1;

/** The share of calls that goes to each version range. */
export class VersionGroups {
  private readonly ranges: readonly { readonly text: string; readonly range: VersionRange; readonly weight: number }[];

  constructor(weights: Readonly<Record<string, number>>) {
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
    return this.ranges[group]?.weight ?? 0;
  }
}
