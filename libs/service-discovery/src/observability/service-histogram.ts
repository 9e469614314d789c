import { type Exemplar, type ScrapedValue, ServiceMetric } from './scraped-metric.js';

/** The observations of one service for one value of the other label. */
interface Distribution {
  readonly value: string;
  /** How many fell into each bucket but not into a lower one; the last counts those above all bounds. */
  readonly buckets: Float64Array;
  sum: number;
  /** The latest of each bucket; undefined until there is one. */
  exemplars: Exemplar[] | undefined;
}

interface Part extends ScrapedValue {
  readonly metricName: string;
  /** The labels that all values of a series share; prom-client appends them to the others. */
  readonly sharedLabels: Readonly<Record<string, string>>;
}

/** A histogram with the label `service` and one more, which has few values per service. */
export class ServiceHistogram extends ServiceMetric<Distribution[]> {
  readonly type = 'histogram';
  private readonly bounds: Float64Array;

  /** @param bounds upper bounds of the buckets, ascending */
  constructor(
    name: string,
    help: string,
    private readonly label: string,
    bounds: readonly number[],
  ) {
    super(name, help);
    this.bounds = Float64Array.from(bounds);
  }

  observe(service: string, value: string, observed: number, exemplar?: Exemplar): void {
    const distribution = this.distributionOf(service, value);
    // The first buckets are the most likely ones, so a binary search would gain nothing.
    let bucket = 0;
    while (observed > this.bounds[bucket]!) bucket++;
    distribution.buckets[bucket]!++;
    distribution.sum += observed;
    if (exemplar) (distribution.exemplars ??= [])[bucket] = exemplar;
  }

  /** Called by prom-client to format text, with the shared labels apart so that they are formatted only once. */
  getForPromString(): ReturnType<typeof this.get> {
    return Promise.resolve(this.scraped(this.parts()));
  }

  protected begin(): Distribution[] {
    return [];
  }

  protected values(): ScrapedValue[] {
    return this.parts().map(({ sharedLabels, labels, ...rest }) => ({
      ...rest,
      labels: { ...labels, ...sharedLabels },
    }));
  }

  private distributionOf(service: string, value: string): Distribution {
    const all = this.of(service);
    for (const distribution of all) if (distribution.value === value) return distribution;
    const buckets = new Float64Array(this.bounds.length + 1);
    const created = { value, buckets, sum: 0, exemplars: undefined };
    all.push(created);
    return created;
  }

  private parts(): Part[] {
    const parts: Part[] = [];
    for (const [service, all] of this.services) {
      for (const { value, buckets, sum, exemplars } of all) {
        const sharedLabels = { service, [this.label]: value };
        let count = 0;
        for (const [bucket, inIt] of buckets.entries()) {
          count += inIt;
          const le = this.bounds[bucket] ?? '+Inf';
          const exemplar = exemplars?.[bucket];
          parts.push({ metricName: `${this.name}_bucket`, value: count, labels: { le }, sharedLabels, exemplar });
        }
        parts.push({ metricName: `${this.name}_sum`, value: sum, labels: {}, sharedLabels });
        parts.push({ metricName: `${this.name}_count`, value: count, labels: {}, sharedLabels });
      }
    }
    return parts;
  }
}
