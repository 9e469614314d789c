import { type ServiceInstance } from '../../model/index.js';
import { failureReason, type Probe, type ProbeResult } from './probe.js';

/**
 * A health check in code: returns whether the instance is healthy, or a detailed result. An error that it throws becomes the
 * reason of the failure. When `signal` aborts, the result is no longer awaited.
 *
 * @example
 * const redis: CustomCheck = async ({ host, port }, signal) => {
 *   const client = new Redis({ host, port, lazyConnect: true, retryStrategy: () => null });
 *   signal.addEventListener('abort', () => client.disconnect());
 *   try {
 *     await client.connect();
 *     return (await client.ping()) === 'PONG';
 *   } finally {
 *     client.disconnect();
 *   }
 * };
 */
export type CustomCheck = (
  instance: ServiceInstance,
  signal: AbortSignal,
) => boolean | ProbeResult | Promise<boolean | ProbeResult>;

const LONGEST_DATA = 65_536;
const NO_ANSWER = 'the custom check returned neither true nor false nor a result';

/** Runs the app's own check function. Never throws. */
export class CustomProbe implements Probe {
  constructor(private readonly ask: CustomCheck) {}

  async check(instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    try {
      const answer: unknown = await this.ask(instance, signal);
      if (typeof answer === 'boolean')
        return { passed: answer, reason: answer ? undefined : 'the custom check failed' };
      return isResult(answer) ? asKept(answer) : { passed: false, reason: NO_ANSWER };
    } catch (error) {
      return { passed: false, reason: failureReason(error, signal) };
    }
  }
}

/**
 * The result in a form that the registry can store and show: a store that cannot serialize it would never receive the
 * status.
 */
function asKept({ passed, skipped, reason, statusCode, data }: ProbeResult): ProbeResult {
  const said = {
    passed,
    ...(skipped && { skipped }),
    reason: reason === undefined ? undefined : failureReason(reason),
    statusCode,
  };
  if (data === undefined) return said;
  try {
    const text = JSON.stringify(data);
    if (text.length <= LONGEST_DATA) return { ...said, data: JSON.parse(text) as unknown };
  } catch {
    // Reported below together with data that is too large.
  }
  return {
    ...said,
    reason: said.reason ?? 'the data of the custom check is not JSON of at most 64 KiB and was not kept',
  };
}

function isResult(answer: unknown): answer is ProbeResult {
  return typeof answer === 'object' && answer !== null && typeof (answer as Partial<ProbeResult>).passed === 'boolean';
}

interface AliasProbeDeps {
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
