import { type ServiceInstance } from '../../model/index.js';
import { type Probe, type ProbeResult } from './probe.js';

export interface AliasProbeDeps {
  /** Current instances of a service in the registry. */
  readonly instancesOf: (serviceName: string) => readonly ServiceInstance[];
  /** The service that an instance is an alias of, if any. */
  readonly aliasOf: (instance: ServiceInstance) => string | undefined;
}

/** How far alias chains are followed in search of a cycle; bounded, since registrants choose their length. */
const MOST_SERVICES = 32;

/**
 * An instance that is as healthy as another service: passes if that service has a healthy instance. Makes no requests;
 * uses the registry's data. A cycle of aliases is inconclusive.
 */
export class AliasProbe implements Probe {
  constructor(
    private readonly aliasOf: string,
    private readonly deps: AliasProbeDeps,
  ) {}

  check({ serviceName }: ServiceInstance): Promise<ProbeResult> {
    return Promise.resolve(this.resultFor(serviceName));
  }

  private resultFor(serviceName: string): ProbeResult {
    const circle = this.findCircle(serviceName);
    if (circle) {
      return { ...skipped(`${circle.join(' is an alias of ')}: there is nothing to go by`), misconfigured: true };
    }
    const instances = this.deps.instancesOf(this.aliasOf);
    if (instances.length === 0) return { passed: false, reason: `no instance of ${this.aliasOf} is registered` };
    const healthy = instances.filter(({ status }) => status === 'healthy').length;
    const data = { alias_of: this.aliasOf, healthy_instances: healthy, total_instances: instances.length };
    if (healthy > 0) return { passed: true, data };
    const unknown = instances.some(({ status }) => status === 'unknown');
    if (unknown) return { ...skipped(`how ${this.aliasOf} is, is not known yet`), data };
    return { passed: false, reason: `${this.aliasOf} has no healthy instance`, data };
  }

  /** The cycle of aliases through `start`, if there is one within the limit. */
  private findCircle(start: string): string[] | undefined {
    const seen = new Set<string>();
    const walk = (service: string, way: string[]): string[] | undefined => {
      if (service === start) return [...way, service];
      if (seen.has(service) || seen.size >= MOST_SERVICES) return undefined;
      seen.add(service);
      const next = new Set(this.deps.instancesOf(service).map(this.deps.aliasOf));
      for (const target of next) {
        const found = target === undefined ? undefined : walk(target, [...way, service]);
        if (found) return found;
      }
      return undefined;
    };
    return walk(this.aliasOf, [start]);
  }
}

function skipped(reason: string): ProbeResult {
  return { passed: false, skipped: true, reason };
}
