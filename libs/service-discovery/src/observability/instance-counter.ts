import { type RegistrySnapshot } from '../model/index.js';
import { type ScrapedValue, ServiceMetric } from './scraped-metric.js';

/** The count of one instance for one value of the other label. */
interface Series {
  readonly value: string;
  count: number;
}

type SeriesByInstance = Map<string, Series[]>;

/** A counter with the labels `service`, `instance` and one more. The series of an instance are removed with it. */
export class InstanceCounter extends ServiceMetric<SeriesByInstance> {
  readonly type = 'counter';

  constructor(
    name: string,
    help: string,
    private readonly label: string,
  ) {
    super(name, help);
  }

  increment(service: string, instance: string, value: string): void {
    const instances = this.of(service);
    let all = instances.get(instance);
    if (!all) instances.set(instance, (all = []));
    for (const series of all) {
      if (series.value === value) {
        series.count++;
        return;
      }
    }
    all.push({ value, count: 1 });
  }

  forget(service: string, instance: string): void {
    const instances = this.services.get(service);
    if (instances?.delete(instance) && instances.size === 0) this.services.delete(service);
  }

  /** Removes all instances that are not in the snapshot. Series of a service without an instance stay. */
  retain({ services }: RegistrySnapshot): void {
    for (const [service, instances] of this.services) {
      const present = new Set(services.get(service)?.map(({ instanceId }) => instanceId));
      for (const instance of instances.keys()) {
        if (instance !== '' && !present.has(instance)) this.forget(service, instance);
      }
    }
  }

  protected begin(): SeriesByInstance {
    return new Map();
  }

  protected values(): ScrapedValue[] {
    const values: ScrapedValue[] = [];
    for (const [service, instances] of this.services) {
      for (const [instance, all] of instances) {
        for (const { value, count } of all) {
          values.push({ value: count, labels: { service, instance, [this.label]: value } });
        }
      }
    }
    return values;
  }
}
