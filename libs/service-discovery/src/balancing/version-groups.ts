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

  /**
   * The share of each of the groups, of those that have somebody to take calls. Versions that are not listed take them
   * where no listed one is left that should: a release must not fail for want of a line in a configuration.
   */
  sharesOf(groups: ReadonlySet<number>): ReadonlyMap<number, number> {
    const sum = [...groups].reduce((all, group) => all + this.weightOf(group), 0);
    if (sum === 0) return new Map(groups.has(UNLISTED) ? [[UNLISTED, 1]] : []);
    const shares = new Map<number, number>();
    for (const group of [...groups].sort((a, b) => a - b)) {
      if (this.weightOf(group) > 0) shares.set(group, this.weightOf(group) / sum);
    }
    return shares;
  }

  private weightOf(group: number): number {
    return this.ranges[group]?.weight ?? 0;
  }
}
