import { TcpProbe } from '../../health/index.js';
import { originOf, type ServiceInstance, type ServiceRegistration, toInstance } from '../../model/index.js';
import { reasonsOf, type ServiceReadiness } from '../readiness/index.js';
import { type RouteOwner } from '../terminus/index.js';
import { causeOf, type QuestionDeps, statusOfRefusal } from './own-question.js';
import { type AdvertisedAddress } from './server-address.js';

export interface OwnRouteDeps extends QuestionDeps {
  /** The controller at a path; undefined: unknown. */
  readonly ownerOf: (path: string) => RouteOwner | undefined;
  readonly readiness: Pick<ServiceReadiness, 'check'>;
}

/** Which route the app requests, and where. */
export interface OwnQuestion {
  readonly registration: ServiceRegistration;
  /** Where this process reaches its own server. */
  readonly address: AdvertisedAddress;
  /** Whether the library chose the path, so that it may fall back to a TCP check. */
  readonly mayChoose: boolean;
}

/**
 * Requests the app's own health route once before registering, like a check would. If a guard, prefix or filter rejects
 * it, every check would find the instance unhealthy: it then registers with a TCP check, and one warning explains the
 * fix.
 */
export class OwnRoute {
  private readonly warned = new Set<string>();

  constructor(private readonly deps: OwnRouteDeps) {}

  /** Returns the registration to use. @param signal cancels the request */
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

  /** The status with which the route rejects checks; undefined if it does not, as far as one request shows. */
  private async refusalOf(instance: ServiceInstance, signal: AbortSignal): Promise<number | undefined> {
    const { ownerOf, readiness } = this.deps;
    const status = await statusOfRefusal(this.deps, instance, signal);
    if (status === undefined || status < 500) return status;
    // An error of the app's own route is deliberate. The library's has only 503, which a filter may have changed.
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
      `GET ${path} of this app answers ${status} to the app itself, as it would to health checks: ${causeOf(status, this.deps.guards(), NOT_FOUND_CAUSE)}. ` +
        `Until that is mended, ${consequence}. To mend it, ${this.cure(path, status)}`,
    );
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

/**
 * The instance as reached from here, under the name that others use; undefined for an invalid registration, which is
 * reported later.
 */
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
