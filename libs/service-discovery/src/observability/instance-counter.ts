import { type RegistrySnapshot } from '../model/index.js';
import { MAX_INSTANCE_LABELS, OTHER_LABEL, type ScrapedValue, ServiceMetric } from './scraped-metric.js';

/** The count of one instance for one value of the other label. */
interface Series {
  readonly value: string;
  count: number;
}

type SeriesByInstance = Map<string, Series[]>;

/** A counter with the labels `service`, `instance` and one more. The series of an instance are removed with it. */
export class InstanceCounter extends ServiceMetric<SeriesByInstance> {
  readonly type = 'counter';
  /** How many instances have series, in all services. */
  private size = 0;

  constructor(
    name: string,
    help: string,
    private readonly label: string,
  ) {
    super(name, help);
  }

  increment(service: string, instance: string, value: string): void {
    const instances = this.of(service);
    const all = instances.get(instance) ?? this.seriesFor(service, instances, instance);
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
    if (!instances?.delete(instance)) return;
    this.size--;
    if (instances.size === 0) this.services.delete(service);
  }

  override forgetService(service: string): void {
    this.size -= this.services.get(service)?.size ?? 0;
    super.forgetService(service);
  }

  override reset(): void {
    super.reset();
    this.size = 0;
  }

  /** Removes all instances that are not in the snapshot. Series of a service without an instance stay. */
  retain({ services }: RegistrySnapshot): void {
    for (const [service, instances] of this.services) {
      const present = new Set(services.get(service)?.map(({ instanceId }) => instanceId));
      for (const instance of instances.keys()) {
        if (instance !== '' && instance !== OTHER_LABEL && !present.has(instance)) this.forget(service, instance);
      }
    }
  }

  /** Beyond a limit, the instances of a service share their series, as those of all services without series of their own do. */
  private seriesFor(service: string, instances: SeriesByInstance, instance: string): Series[] {
    const isWithin = this.size < MAX_INSTANCE_LABELS && this.services.has(service);
    const label = isWithin ? instance : OTHER_LABEL;
    const known = instances.get(label);
    if (known) return known;
    const all: Series[] = [];
    instances.set(label, all);
    this.size++;
    return all;
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
