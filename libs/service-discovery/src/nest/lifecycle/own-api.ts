import { readTokens } from '../../common/index.js';
import { toInstance } from '../../model/index.js';
import { type ResolvedServiceDiscoveryOptions } from '../options/index.js';
import { type RouteOwner } from '../terminus/index.js';
import { causeOf, type QuestionDeps, statusOfRefusal } from './own-question.js';
import { type AdvertisedAddress } from './server-address.js';

export interface OwnApiDeps extends QuestionDeps {
  readonly options: Pick<ResolvedServiceDiscoveryOptions, 'api' | 'mode'>;
  /** Where a route of the app is found. */
  readonly pathInApp: (path: string) => string;
  /** The controller at a path; undefined: unknown. */
  readonly ownerOf: (path: string) => RouteOwner | undefined;
}

/** A small response, equal in every process. */
const ROUTE = 'patterns';
const NOT_FOUND_CAUSE = 'a prefix that Nest does not know of, a middleware or a guard hides it';

/**
 * Asks a reading route of the app's own API once, with the token of the registry. Where a global guard refuses that, it refuses
 * every service that registers, whatever token it brings: one warning says how to mend it.
 */
export class OwnApi {
  private readonly closing = new AbortController();

  constructor(private readonly deps: OwnApiDeps) {}

  /** Whether the app rejects requests to the API. Never rejects. */
  async isRefused(address: AdvertisedAddress): Promise<boolean> {
    const { options, ownerOf, pathInApp } = this.deps;
    const { api } = options;
    // The API's own guard, its rules, or an app's own class, reject on purpose.
    if (api === false) return false;
    if (api.guardReads && (api.guard ?? api.access) !== undefined && api.token === undefined) return false;
    const path = pathInApp(`${api.path}/${ROUTE}`);
    if (ownerOf(path)?.isLibrary !== true) return false;
    const status = await this.ask(address, path, api.token);
    if (status === undefined || status >= 500) return false;
    if (options.mode !== 'remote' && api.decorators === undefined) this.warn(path, status);
    return true;
  }

  /** Whether the app is closing. */
  get isClosed(): boolean {
    return this.closing.signal.aborted;
  }

  /** Cancels the request. */
  close(): void {
    this.closing.abort();
  }

  private ask(address: AdvertisedAddress, path: string, tokens = ''): Promise<number | undefined> {
    const [token] = readTokens(tokens) ?? [];
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const healthCheck = { type: 'http', method: 'GET', path, headers, port: address.port } as const;
    const instance = toInstance({ serviceName: 'registry', ...address, healthCheck }, { ttlMs: 1, now: 0 });
    return statusOfRefusal(this.deps, instance, this.closing.signal);
  }

  private warn(path: string, status: number): void {
    const { logger, guards } = this.deps;
    const cure =
      status < 400
        ? 'exempt the path from the redirect'
        : 'let the guard pass it by the decorator that it goes by: ServiceDiscoveryModule.forRoot({ api: { decorators: [Public()] } })';
    logger.warn(
      `GET ${path} of this app answers ${status} to the app itself, as it would to services that register here, whatever token ` +
        `they bring: ${causeOf(status, guards(), NOT_FOUND_CAUSE)}. To mend it, ${cure}. Where no other process uses this API, ` +
        'api: false leaves it out',
    );
  }
}
