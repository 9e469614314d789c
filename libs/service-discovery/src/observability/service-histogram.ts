import { type Registry } from 'prom-client';
import { ScrapedMetric, type ScrapedValue } from './scraped-metric.js';

/** What was observed of one service with the same value of the other label. */
interface Distribution {
  readonly value: string;
  /** How many fell into each bucket, and not into one below; those above the last bound come last. */
  readonly buckets: Float64Array;
  sum: number;
}

interface Part extends ScrapedValue {
  readonly metricName: string;
  /** Those that all values of a series have: prom-client puts them behind the others. */
  readonly sharedLabels: Readonly<Record<string, string>>;
}

/** A histogram with the label `service` and another one, of which each service has few values. */
export class ServiceHistogram extends ScrapedMetric<Distribution[]> {
  readonly type = 'histogram';
  private readonly bounds: Float64Array;

  /** @param bounds the upper ones of the buckets, ascending */
  constructor(
    name: string,
    help: string,
    private readonly label: string,
    bounds: readonly number[],
    registry: Registry,
  ) {
    super(name, help, registry);
    this.bounds = Float64Array.from(bounds);
  }

  observe(service: string, value: string, observed: number): void {
    const distribution = this.distributionOf(service, value);
    // The first are the most likely ones, so nothing is gained by halving.
    let bucket = 0;
    while (observed > this.bounds[bucket]!) bucket++;
    distribution.buckets[bucket]!++;
    distribution.sum += observed;
  }

  /** What prom-client asks for to make its text: the labels apart that need to be written out once only. */
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
    const created = { value, buckets: new Float64Array(this.bounds.length + 1), sum: 0 };
    all.push(created);
    return created;
  }

  private parts(): Part[] {
    const parts: Part[] = [];
    for (const [service, all] of this.services) {
      for (const { value, buckets, sum } of all) {
        const sharedLabels = { service, [this.label]: value };
        let count = 0;
        for (const [bucket, inIt] of buckets.entries()) {
          count += inIt;
          const le = this.bounds[bucket] ?? '+Inf';
          parts.push({ metricName: `${this.name}_bucket`, value: count, labels: { le }, sharedLabels });
        }
        parts.push({ metricName: `${this.name}_sum`, value: sum, labels: {}, sharedLabels });
        parts.push({ metricName: `${this.name}_count`, value: count, labels: {}, sharedLabels });
      }
    }
    return parts;
  }
}
