import { Inject, Injectable } from '@nestjs/common';
import { canonicalHost, type InstanceKey, isLoopbackHost, parseAddress, type ServiceInstance } from '../model/index.js';
import { ListedInstances, ServiceRegistry } from '../registry/index.js';
import { redisHostsOf } from '../store/index.js';
import { type ResolvedServiceDiscoveryOptions } from './options/index.js';
import { OPTIONS_IN_FORCE } from './tokens.js';

/** The options that determine where the registry is, and who may read it. */
export type RegistrySettings = Pick<ResolvedServiceDiscoveryOptions, 'mode' | 'remote'> &
  Partial<Pick<ResolvedServiceDiscoveryOptions, 'redis' | 'api'>>;

/** Whether the registry is on this machine; false where that cannot be told. */
export function isRegistryHere(settings: RegistrySettings): boolean {
  const hosts = hostsOf(settings);
  return hosts.length > 0 && hosts.every(isThisMachine);
}

/** Whether the registry is on another machine; false where that cannot be told. */
export function isRegistryElsewhere(settings: RegistrySettings): boolean {
  return !hostsOf(settings).every(isThisMachine);
}

/** A client that connects to 0.0.0.0, usually by mistake, reaches its own machine. */
function isThisMachine(host: string): boolean {
  return isLoopbackHost(host) || parseAddress(canonicalHost(host) ?? '')?.range() === 'unspecified';
}

/** What other machines need to be admitted; undefined: as far as this process knows, they are not. */
export function letsOthersIn({ api, remote }: Partial<RegistrySettings>): string | undefined {
  if (remote?.token !== undefined) return 'the token';
  if (api === undefined || api === false) return undefined;
  if (api.token !== undefined) return 'the token';
  if (api.access !== undefined) return 'a credential';
  return api.guard === undefined ? undefined : 'the guard';
}

/**
 * How the process of an instance gets to register an address that other machines reach.
 * @param byToken whether the registry may have a token: a service that has it registers an external address where it listens on
 * 0.0.0.0, and 127.0.0.1 without it
 */
export function loopbackCure(byToken: boolean): string {
  const set = 'set advertise.host (SERVICE_DISCOVERY_HOST)';
  const first = byToken ? `give its process the registry's token, ${set} there` : `${set} in its process`;
  return `${first}, or have it listen on 0.0.0.0`;
}

/** The hosts of the registry; empty if unknown, as with a custom store or Redis client. */
function hostsOf({ mode, remote, redis }: RegistrySettings): readonly string[] {
  if (mode === 'memory_only') return ['localhost'];
  return remote ? [new URL(remote.url).hostname] : redisHostsOf(redis ?? {});
}

const ALONE =
  'This process is a registry of its own (memory_only), and no other process has registered here: processes find each other by a common ' +
  "registryUrl (SERVICE_DISCOVERY_REGISTRY_URL), or over Redis (mode: 'redis_backed')";

/** Hints for errors that the place of the registry may explain. */
@Injectable()
export class RegistryPlace {
  private readonly isElsewhere: boolean;

  constructor(
    @Inject(OPTIONS_IN_FORCE) private readonly options: ResolvedServiceDiscoveryOptions,
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    @Inject(ListedInstances) private readonly listed: ListedInstances,
  ) {
    this.isElsewhere = isRegistryElsewhere(options);
  }

  /** Why a service may be missing from this registry: a sentence without its full stop; empty if there is no hint. */
  notFoundHint(): string {
    if (this.options.mode !== 'memory_only') return '';
    for (const instances of this.registry.snapshot.services.values())
      if (!instances.every((instance) => this.isOwn(instance))) return '';
    return ALONE;
  }

  /**
   * What is wrong with the address of an instance that another machine has probably registered, to be read after "is"; undefined
   * where nothing suggests so. Processes of one machine may share a registry on another one, so it is no more than a doubt.
   */
  addressDoubt(instance: ServiceInstance): string | undefined {
    if (!this.isElsewhere || !isLoopbackHost(instance.host) || this.isOwn(instance)) return undefined;
    return (
      `registered as ${instance.host}, which is this machine for its callers here: unless it runs on this machine, ` +
      loopbackCure(this.options.remote !== undefined)
    );
  }

  private isOwn(key: InstanceKey): boolean {
    return this.registry.isOwn(key) || this.listed.has(key);
  }
}
