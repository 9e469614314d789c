import { type ScrapedValue, ServiceMetric } from './scraped-metric.js';

/** The count of one service for one combination of the other labels. */
interface Series {
  readonly first: string;
  readonly second: string;
  count: number;
}

/** A counter with the label `service` and up to two more, which have few values per service. */
export class ServiceCounter extends ServiceMetric<Series[]> {
  readonly type = 'counter';

  /** @param labels the labels besides `service` */
  constructor(
    name: string,
    help: string,
    private readonly labels: readonly [first?: string, second?: string],
  ) {
    super(name, help);
  }

  increment(service: string, first = '', second = ''): void {
    const all = this.of(service);
    for (const series of all) {
      if (series.first === first && series.second === second) {
        series.count++;
        return;
      }
    }
    all.push({ first, second, count: 1 });
  }

  protected begin(): Series[] {
    return [];
  }

  protected values(): ScrapedValue[] {
    const values: ScrapedValue[] = [];
    for (const [service, all] of this.services) {
      for (const { first, second, count } of all) {
        values.push({ value: count, labels: this.labelsOf(service, first, second) });
      }
    }
    return values;
  }

  private labelsOf(service: string, first: string, second: string): Record<string, string> {
    const labels: Record<string, string> = { service };
    const [firstLabel, secondLabel] = this.labels;
    if (firstLabel !== undefined) labels[firstLabel] = first;
    if (secondLabel !== undefined) labels[secondLabel] = second;
    return labels;
  }
}
