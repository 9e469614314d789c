import { type Metric, type Registry } from 'prom-client';

/** The value of a series at a scrape. */
export interface ScrapedValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** If it differs from that of the metric. */
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
 * A metric by service that counts in fields of its own and reports its values to prom-client at a scrape. A prom-client
 * metric looks up a series by a string built of all labels, at each call, which would cost more than all other
 * counting. This implements only what a registry needs to show, reset and aggregate a metric, as the metrics of
 * `AggregatorRegistry` do.
 */
export abstract class ScrapedMetric<OfService> {
  abstract readonly type: 'counter' | 'histogram';
  readonly aggregator = 'sum';
  protected readonly services = new Map<string, OfService>();

  /** @param name changed by a registry in OpenMetrics format, which strips `_total` */
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

  /** Removes all series; called by prom-client. */
  reset(): void {
    this.services.clear();
  }

  /** Removes the series of a service. */
  forgetService(service: string): void {
    this.services.delete(service);
  }

  protected abstract values(): ScrapedValue[];

  /** The initial state of a service. */
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
