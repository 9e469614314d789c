import { type ServiceInstance } from '../model/index.js';
import { type VersionRange, rangeOf } from './version-range.js';

/** The group of instances whose version is in none of the ranges. */
export const UNLISTED = -1;

/** Which share of the calls goes to which versions. */
export class VersionGroups {
  private readonly ranges: readonly { readonly text: string; readonly range: VersionRange; readonly weight: number }[];

  constructor(weights: Readonly<Record<string, number>>) {
    this.ranges = Object.entries(weights).map(([text, weight]) => ({ text, range: rangeOf(text), weight }));
  }

  /** The first whose range holds the instance's version. */
  groupOf({ version }: ServiceInstance): number {
    return version === undefined ? UNLISTED : this.ranges.findIndex(({ range }) => range.has(version));
  }

  nameOf(group: number): string {
    return this.ranges[group]?.text ?? 'other versions';
  }

  /** Whether it is said that a group gets no calls. */
  isClosed(group: number): boolean {
    return this.ranges[group]?.weight === 0;
  }

  /**
   * The share of each of the groups, of those that have somebody to take calls. Versions that are not listed take them
   * where no listed one is left: a release must not fail for want of a line in a configuration.
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
