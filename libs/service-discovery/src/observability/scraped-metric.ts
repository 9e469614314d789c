import { type Metric, type Registry } from 'prom-client';

/** The value of a series at a scrape. */
export interface ScrapedValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Left out where it is the metric's. */
  readonly metricName?: string;
}

interface Scraped<Value> {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly Value[];
  readonly aggregator: string;
}

/**
 * A metric by service, and perhaps more, that counts in fields of its own, and tells its values when prom-client is scraped. A metric of prom-client
 * finds a series by a text that it makes of all labels, at each call: that costs more than all the rest of what is counted.
 * This is as much of one as a registry needs to show, reset and aggregate it; those of `AggregatorRegistry` are no more.
 */
export abstract class ScrapedMetric<OfService> {
  abstract readonly type: 'counter' | 'histogram';
  readonly aggregator = 'sum';
  protected readonly services = new Map<string, OfService>();

  /** @param name a registry of the OpenMetrics format changes it: takes `_total` off */
  constructor(
    public name: string,
    readonly help: string,
    registry: Registry,
  ) {
    registry.registerMetric(this as unknown as Metric);
  }

  get(): Promise<Scraped<ScrapedValue>> {
    return Promise.resolve(this.scraped(this.values()));
  }

  /** Forgets all series, as prom-client asks it to. */
  reset(): void {
    this.services.clear();
  }

  /** Forgets the series of a service. */
  forgetService(service: string): void {
    this.services.delete(service);
  }

  protected abstract values(): ScrapedValue[];

  /** What there is of a service that was not counted yet. */
  protected abstract begin(): OfService;

  protected of(service: string): OfService {
    const known = this.services.get(service);
    if (known !== undefined) return known;
    const begun = this.begin();
    this.services.set(service, begun);
    return begun;
  }

  protected scraped<Value>(values: readonly Value[]): Scraped<Value> {
    const { name, help, type, aggregator } = this;
    return { name, help, type, values, aggregator };
  }
}
