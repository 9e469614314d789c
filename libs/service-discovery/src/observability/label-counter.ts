import { ScrapedMetric, type ScrapedValue } from './scraped-metric.js';

/** A counter with one label, or none. All values of the label are present from the start, so that rates include the first event. */
export class LabelCounter<Value extends string> extends ScrapedMetric {
  readonly type = 'counter';
  private readonly counts: Map<Value, number>;

  constructor(
    name: string,
    help: string,
    private readonly label?: { readonly name: string; readonly values: readonly Value[] },
  ) {
    super(name, help);
    this.counts = new Map((label?.values ?? ['' as Value]).map((value) => [value, 0]));
  }

  increment(value = '' as Value): void {
    this.counts.set(value, (this.counts.get(value) ?? 0) + 1);
  }

  override reset(): void {
    for (const value of this.counts.keys()) this.counts.set(value, 0);
  }

  protected values(): ScrapedValue[] {
    const { label } = this;
    return [...this.counts].map(([value, count]) => ({ value: count, labels: label ? { [label.name]: value } : {} }));
  }
}
