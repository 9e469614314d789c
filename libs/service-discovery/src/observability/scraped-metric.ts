/** The value of a series at a scrape. */
export interface ScrapedValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** If it differs from that of the metric. */
  readonly metricName?: string;
  /** Shown by registries in OpenMetrics format. */
  readonly exemplar?: Exemplar;
}

/** An observation, with the span that made it. */
export interface Exemplar {
  readonly labelSet: Readonly<Record<string, string>>;
  readonly value: number;
  /** Seconds since the Unix epoch. */
  readonly timestamp: number;
}

interface Scraped<Value> {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly Value[];
  readonly aggregator: string;
}

/**
 * A metric that keeps or reads its values by itself and reports them to prom-client at a scrape, so that prom-client is
 * loaded only by processes that are scraped. It implements only what a registry needs to show, reset and aggregate a
 * metric, as the metrics of `AggregatorRegistry` do.
 */
export abstract class ScrapedMetric {
  abstract readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator = 'sum';

  /** @param name changed by a registry in OpenMetrics format, which strips `_total` */
  constructor(
    public name: string,
    readonly help: string,
  ) {}

  get(): Promise<Scraped<ScrapedValue>> {
    return Promise.resolve(this.scraped(this.values()));
  }

  /** Sets counts back to 0; called by prom-client. */
  abstract reset(): void;

  protected abstract values(): ScrapedValue[];

  protected scraped<Value>(values: readonly Value[]): Scraped<Value> {
    const { name, help, type, aggregator } = this;
    return { name, help, type, values, aggregator };
  }
}

/** The label of the services, and of the instances, beyond the limits below. No service can have this name. */
export const OTHER_LABEL = '_other';
/** How many services have series of their own in a metric, and how many instances. */
export const MAX_SERVICE_LABELS = 1_000;
export const MAX_INSTANCE_LABELS = 10_000;

/**
 * A metric by service that counts in fields of its own. A prom-client metric looks up a series by a string built of all
 * labels, at each call, which would cost more than all other counting.
 */
export abstract class ServiceMetric<OfService> extends ScrapedMetric {
  protected readonly services = new Map<string, OfService>();

  /** Removes all series. */
  override reset(): void {
    this.services.clear();
  }

  /** Removes the series of a service. */
  forgetService(service: string): void {
    this.services.delete(service);
  }

  /** The initial state of a service. */
  protected abstract begin(): OfService;

  /** Beyond {@link MAX_SERVICE_LABELS}, services share one state. */
  protected of(service: string): OfService {
    const known = this.services.get(service);
    if (known !== undefined) return known;
    if (this.services.size >= MAX_SERVICE_LABELS && service !== OTHER_LABEL) return this.of(OTHER_LABEL);
    const begun = this.begin();
    this.services.set(service, begun);
    return begun;
  }
}
