import { type Logger } from '@nestjs/common';
import {
  type Clock,
  messageOf,
  type Random,
  reconnectDelay,
  RegistryUnavailableError,
  sleep,
} from '../../common/index.js';
import { type ServiceRegistration } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';

const RETRY = { firstMs: 250, longestMs: 5_000 };
/** How often it is said that a service is still not registered. */
const REMINDER_MS = 60_000;

export interface AnnouncerDeps {
  readonly registry: Pick<ServiceRegistry, 'register' | 'deregister'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Pick<Logger, 'error' | 'warn'>;
}

/** Registers what the app announces, and goes on trying while the registry cannot be reached. */
export class Announcer {
  private readonly stopping = new AbortController();
  private readonly pending = new Set<Promise<void>>();

  constructor(private readonly deps: AnnouncerDeps) {}

  announce(registration: ServiceRegistration): void {
    const work = this.register(registration).finally(() => this.pending.delete(work));
    this.pending.add(work);
  }

  /** Gives up what was not registered yet; resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.pending);
  }

  private async register(registration: ServiceRegistration): Promise<void> {
    const { signal } = this.stopping;
    let reminderAt = Number.NEGATIVE_INFINITY;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const { lease } = await this.deps.registry.register(registration);
        // Whoever stopped us may have taken back the other registrations already.
        if (signal.aborted) await this.deps.registry.deregister(lease);
        return;
      } catch (error) {
        if (!(error instanceof RegistryUnavailableError)) {
          if (!signal.aborted)
            this.deps.logger.error(`${registration.serviceName} could not be registered: ${messageOf(error)}`);
          return;
        }
        if (!signal.aborted && this.deps.clock.now() >= reminderAt) {
          reminderAt = this.deps.clock.now() + REMINDER_MS;
          this.deps.logger.warn(
            `${registration.serviceName} is not registered; it goes on trying: ${messageOf(error)}`,
          );
        }
        await this.pause(failures);
      }
    }
  }

  private async pause(failures: number): Promise<void> {
    const ms = reconnectDelay(failures + 1, RETRY, this.deps.random);
    await sleep(this.deps.clock, ms, this.stopping.signal, { keepAlive: false }).catch(() => undefined);
  }
}
