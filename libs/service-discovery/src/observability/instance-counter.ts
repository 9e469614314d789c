import { Counter, type Registry } from 'prom-client';

interface InstanceCounts {
  readonly service: string;
  readonly instance: string;
  readonly counts: Map<string, number>;
}

/**
 * A counter with the labels `service`, `instance` and one more, whose series go away with their instance. It counts in
 * maps of its own and hands the sums to prom-client when it is scraped: a call pays for two look-ups.
 */
export class InstanceCounter {
  private readonly series = new Map<string, InstanceCounts>();
  private readonly counter: Counter;

  constructor(
    name: string,
    help: string,
    private readonly label: string,
    registry: Registry,
  ) {
    this.counter = new Counter({
      name,
      help,
      labelNames: ['service', 'instance', label],
      registers: [registry],
      collect: () => this.collect(),
    });
  }

  increment(service: string, instance: string, value: string): void {
    const key = `${service}/${instance}`;
    let entry = this.series.get(key);
    if (!entry) this.series.set(key, (entry = { service, instance, counts: new Map() }));
    entry.counts.set(value, (entry.counts.get(value) ?? 0) + 1);
  }

  forget(service: string, instance: string): void {
    this.series.delete(`${service}/${instance}`);
  }

  /** Forgets every instance that is not known any more. What has no instance, but a service, stays. */
  retain(isKnown: (service: string, instance: string) => boolean): void {
    for (const [key, { service, instance }] of this.series) {
      if (instance !== '' && !isKnown(service, instance)) this.series.delete(key);
    }
  }

  private collect(): void {
    this.counter.reset();
    for (const { service, instance, counts } of this.series.values()) {
      for (const [value, count] of counts) this.counter.inc({ service, instance, [this.label]: value }, count);
    }
  }
}
