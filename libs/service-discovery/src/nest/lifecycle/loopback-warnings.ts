import { type Logger } from '@nestjs/common';
import { withoutPassword } from '../../common/index.js';
import { isLoopbackHost, keyOf, type ServiceInstance } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { isRegistryElsewhere, letsOthersIn, loopbackCure, type RegistrySettings } from '../registry-place.js';

/** Maximum number of services warned about, since names from outside must not fill the memory. */
const MOST_NAMES = 1_000;

/**
 * Warns of registrations under a loopback address that other machines may read: each of them would take the address for its own, and
 * callers there would call themselves. Once for each service.
 */
export class LoopbackWarnings {
  private readonly warned = new Set<string>();

  constructor(
    private readonly settings: RegistrySettings,
    private readonly registry: Pick<ServiceRegistry, 'isOwn'>,
    private readonly logger: Pick<Logger, 'warn'>,
  ) {}

  /** For a service of this process, under the address that the library chose. */
  announced(serviceName: string, host: string): void {
    const why = this.whyOthersRead();
    if (why === undefined || !isLoopbackHost(host)) return;
    this.warn(
      serviceName,
      `${serviceName} registers as ${host}, which every caller takes for its own machine, and ${why}: listen on 0.0.0.0, or ` +
        `set advertise.host (SERVICE_DISCOVERY_HOST) to an address that callers reach, ${host} itself if all of them run here`,
    );
  }

  /** For an instance of another process, where this one is the registry. */
  registered(instance: ServiceInstance): void {
    const { serviceName, host } = instance;
    const guarded = this.settings.mode === 'memory_only' ? letsOthersIn(this.settings) : undefined;
    if (guarded === undefined || !isLoopbackHost(host) || this.registry.isOwn(instance)) return;
    this.warn(
      serviceName,
      `${keyOf(instance)} is registered as ${host}, which every caller takes for its own machine, and ${guarded} lets other machines ` +
        `read this registry: unless all callers run here, ${loopbackCure(guarded === 'the token')}`,
    );
  }

  private whyOthersRead(): string | undefined {
    const { remote, redis } = this.settings;
    if (isRegistryElsewhere(this.settings)) {
      const url = remote?.url ?? redis?.url;
      return `the registry${url === undefined ? '' : ` at ${String(withoutPassword(url))}`} is on another one`;
    }
    const guarded = letsOthersIn(this.settings);
    return guarded && `${guarded} lets other machines read the registry`;
  }

  private warn(serviceName: string, text: string): void {
    if (this.warned.has(serviceName) || this.warned.size >= MOST_NAMES) return;
    this.warned.add(serviceName);
    this.logger.warn(text);
  }
}
