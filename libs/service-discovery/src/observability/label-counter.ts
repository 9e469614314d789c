import { ScrapedMetric, type ScrapedValue } from './scraped-metric.js';

/** A label with all of its values. */
export interface CounterLabel {
  readonly name: string;
  readonly values: readonly string[];
}

/** A counter with a few labels, or none. All values of the labels are present from the start, so that rates include the first event. */
export class LabelCounter extends ScrapedMetric {
  readonly type = 'counter';
  private readonly counts: { readonly values: readonly string[]; count: number }[];

  constructor(
    name: string,
    help: string,
    private readonly labels: readonly CounterLabel[] = [],
  ) {
    super(name, help);
    const combinations = labels.reduce<string[][]>(
      (shorter, label) => shorter.flatMap((values) => label.values.map((value) => [...values, value])),
      [[]],
    );
    this.counts = combinations.map((values) => ({ values, count: 0 }));
  }

  /** @param values in the order of the labels */
  increment(...values: readonly string[]): void {
    const counted = this.counts.find((one) => one.values.every((value, index) => value === values[index]));
    if (counted) counted.count++;
  }

  override reset(): void {
    for (const one of this.counts) one.count = 0;
  }

  protected values(): ScrapedValue[] {
    return this.counts.map(({ values, count }) => ({
      value: count,
      labels: Object.fromEntries(this.labels.map(({ name }, index) => [name, values[index]!])),
    }));
  }
}
