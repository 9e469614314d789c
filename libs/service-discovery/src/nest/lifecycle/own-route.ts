import { type Logger } from '@nestjs/common';
import { type Clock } from '../../common/index.js';
import { type CheckPlanner, HttpProbe, runProbe, TcpProbe } from '../../health/index.js';
import { originOf, type ServiceInstance, type ServiceRegistration, toInstance } from '../../model/index.js';
import { reasonsOf, type ServiceReadiness } from '../readiness/index.js';
import { type RouteOwner } from '../terminus/index.js';
import { type AdvertisedAddress } from './server-address.js';

export interface OwnRouteDeps {
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  /** How instances are checked by a process with the options of this one. */
  readonly planner: CheckPlanner;
  /** The names of the app's global guards. */
  readonly guards: () => readonly string[];
  /** Which controller answers at a path; undefined: none that is known. */
  readonly ownerOf: (path: string) => RouteOwner | undefined;
  readonly readiness: Pick<ServiceReadiness, 'check'>;
}

/** What the app asks itself, and where. */
export interface OwnQuestion {
  readonly registration: ServiceRegistration;
  /** Where the server of this process listens, as this process reaches it. */
  readonly address: AdvertisedAddress;
  /** Whether the path of the check is the library's choice, so that it may choose a check over TCP instead. */
  readonly mayChoose: boolean;
}

/** The question is local: an app that takes longer than this is left to its checks. */
const PATIENCE_MS = 2_000;
/** Of any route: what the check met is the app's own word, or passes by itself. */
const INCONCLUSIVE: ReadonlySet<number> = new Set([408, 429, 503]);

/**
 * Asks the app's own route of the health check once before it registers, as a check would. Where a guard, a prefix or a filter
 * refuses every check, all would find the instance unhealthy: it registers for a check over TCP then, and one warning says how to
 * mend it.
 */
export class OwnRoute {
  private readonly warned = new Set<string>();

  constructor(private readonly deps: OwnRouteDeps) {}

  /** What to register. @param signal gives the question up */
  async examine({ registration, address, mayChoose }: OwnQuestion, signal: AbortSignal): Promise<ServiceRegistration> {
    const instance = instanceToAsk(registration, address);
    if (!instance) return registration;
    const status = await this.refusalOf(instance, signal);
    if (status === undefined) return registration;
    const withoutPath = { ...registration, healthCheckPath: null };
    const other = mayChoose ? instanceToAsk(withoutPath, address) : undefined;
    const isOverTcp = other !== undefined && this.deps.planner(other).probe instanceof TcpProbe;
    this.warn(instance, status, isOverTcp);
    return isOverTcp ? withoutPath : registration;
  }

  /** The status by which the route refuses checks; undefined: it does not, as far as one question shows. */
  private async refusalOf(instance: ServiceInstance, signal: AbortSignal): Promise<number | undefined> {
    const { planner, clock, ownerOf, readiness } = this.deps;
    const { probe, schedule } = planner(instance);
    if (!(probe instanceof HttpProbe)) return undefined;
    const timeoutMs = Math.min(schedule.timeoutMs, PATIENCE_MS);
    const { passed, skipped, statusCode: status } = await runProbe(probe, instance, { clock, timeoutMs, signal });
    if (passed || skipped || status === undefined || status < 300 || INCONCLUSIVE.has(status)) return undefined;
    if (status < 500) return status;
    // An error of the app's own route is its word. The library's has none but 503, which a filter may have made another of.
    if (ownerOf(pathOf(instance))?.isLibrary !== true) return undefined;
    return reasonsOf(await readiness.check()).length === 0 ? status : undefined;
  }

  private warn(instance: ServiceInstance, status: number, isOverTcp: boolean): void {
    const path = pathOf(instance);
    if (this.warned.has(path)) return;
    this.warned.add(path);
    const consequence = isOverTcp
      ? `${instance.serviceName} is registered for a check over TCP, which does not see whether the app is ready`
      : `the health checks of ${instance.serviceName} will fail`;
    this.deps.logger.warn(
      `GET ${path} of this app answers ${status} to the app itself, as it would to health checks: ${this.cause(status)}. ` +
        `Until that is mended, ${consequence}. To mend it, ${this.cure(path, status)}`,
    );
  }

  private cause(status: number): string {
    if (status < 400) return 'it redirects, which checks do not follow';
    if (status === 404) return NOT_FOUND_CAUSE;
    const guards = this.deps.guards();
    if (guards.length === 0) return 'a guard, a middleware or a filter refuses them';
    const which = guards.length > 1 ? 'one of its global guards' : 'its global guard';
    return `${which} (${guards.join(', ')}), a middleware or a filter refuses them`;
  }

  private cure(path: string, status: number): string {
    if (status < 400) return 'exempt the path from the redirect';
    const owner = this.deps.ownerOf(path);
    const decorate = owner?.isLibrary
      ? `let the guard pass it by the decorator that it goes by: ${DECORATORS_LINE}`
      : `put the decorator by which the guard lets a route pass, such as @Public(), on ${owner?.name ?? 'the route'}`;
    return status === 404 ? `name the path that answers: ${PATH_LINE}; or ${decorate}` : decorate;
  }
}

const NOT_FOUND_CAUSE =
  "a prefix that Nest does not know of, URI versioning (mend it with VERSION_NEUTRAL, or healthCheckPath: '/v1/health'), " +
  'a middleware or a guard hides it';
const DECORATORS_LINE = 'ServiceDiscoveryModule.forRoot({ health: { decorators: [Public()] } })';
const PATH_LINE = "@DiscoverableService({ healthCheckPath: '/…' })";

/** Asked here, under the name that others ask by; undefined for a registration that is wrong, which registering it tells. */
function instanceToAsk(registration: ServiceRegistration, address: AdvertisedAddress): ServiceInstance | undefined {
  try {
    const { healthCheck, host, port, protocol = 'http' } = registration;
    const name = healthCheck?.host ?? new URL(originOf({ protocol, host, port })).host;
    const asked = { ...registration, ...address, healthCheck: { ...healthCheck, host: name } };
    return toInstance(asked, { ttlMs: 1, now: 0 });
  } catch {
    return undefined;
  }
}

function pathOf({ healthCheck, healthCheckPath }: ServiceInstance): string {
  return healthCheck?.path ?? healthCheckPath ?? '';
}
