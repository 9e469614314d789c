import { type Logger } from '@nestjs/common';
import {
  type Clock,
  messageOf,
  onAbort,
  oneLine,
  raceAbort,
  type Random,
  reconnectDelay,
  RegistryUnavailableError,
  sleep,
} from '../../common/index.js';
import { type InstanceKey, type ServiceRegistration } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { reasonsOf, type ServiceReadiness } from '../readiness/index.js';

const RETRY = { firstMs: 250, longestMs: 5_000 };
/** How often the warning about a pending registration is repeated. */
const REMINDER_MS = 60_000;
/** Interval for repeating checks that do not report changes. */
const RECHECK_MS = 1_000;

export interface RegistrarDeps {
  readonly registry: Pick<ServiceRegistry, 'register' | 'deregister'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Pick<Logger, 'error' | 'warn'>;
  /** Delays registrations until it is ready. @default no delay */
  readonly readiness?: Pick<ServiceReadiness, 'check' | 'onChange'>;
  /** Called for each registration. */
  registered?(key: InstanceKey): void;
}

export type Examine = (signal: AbortSignal) => Promise<ServiceRegistration>;

/** Registers the app's services as soon as it is ready, and retries while the registry cannot be reached. */
export class Registrar {
  private readonly stopping = new AbortController();
  private readonly pending = new Set<Promise<void>>();

  constructor(private readonly deps: RegistrarDeps) {}

  /** @param examine may change the registration beforehand; never rejects @default unchanged */
  register(registration: ServiceRegistration, examine?: Examine): void {
    const work = this.registerUntilDone(registration, examine).finally(() => this.pending.delete(work));
    this.pending.add(work);
  }

  /** Cancels pending registrations; resolves when none is under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.pending);
  }

  private async registerUntilDone(given: ServiceRegistration, examine?: Examine): Promise<void> {
    const { signal } = this.stopping;
    const registration = examine ? await examine(signal) : given;
    const { readiness } = this.deps;
    if (readiness) await this.untilReady(registration.serviceName, readiness);
    const remind = this.reminder();
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const { lease } = await this.deps.registry.register(registration);
        // The shutdown may already have deregistered the others.
        if (signal.aborted) await this.deps.registry.deregister(lease);
        else this.deps.registered?.(lease);
        return;
      } catch (error) {
        if (!(error instanceof RegistryUnavailableError)) {
          if (!signal.aborted)
            this.deps.logger.error(`${registration.serviceName} could not be registered: ${messageOf(error)}`);
          return;
        }
        if (!signal.aborted)
          remind(`${registration.serviceName} is not registered; it goes on trying: ${messageOf(error)}`);
        await this.pause(failures);
      }
    }
  }

  private async untilReady(serviceName: string, readiness: NonNullable<RegistrarDeps['readiness']>): Promise<void> {
    const { signal } = this.stopping;
    const remind = this.reminder();
    while (!signal.aborted) {
      const looked = new AbortController();
      // Subscribe before the check, so that no change in between is missed.
      const stops = [readiness.onChange(() => looked.abort()), onAbort(signal, () => looked.abort())];
      const results = await raceAbort(readiness.check(), signal).catch(() => ({}));
      const reasons = reasonsOf(results);
      if (reasons.length > 0) {
        remind(`${serviceName} is not registered yet: ${reasons.join('; ')}`);
        await sleep(this.deps.clock, RECHECK_MS, looked.signal, { keepAlive: false }).catch(() => undefined);
      }
      for (const stop of stops) stop();
      if (reasons.length === 0) return;
    }
  }

  /** Rate-limits a warning that would otherwise repeat. */
  private reminder(): (text: string) => void {
    const { clock, logger } = this.deps;
    let dueAt = Number.NEGATIVE_INFINITY;
    return (text) => {
      if (clock.now() < dueAt) return;
      dueAt = clock.now() + REMINDER_MS;
      // Reasons come from the app's own checks, and some errors of database clients have several lines.
      logger.warn(oneLine(text));
    };
  }

  private async pause(failures: number): Promise<void> {
    const ms = reconnectDelay(failures + 1, RETRY, this.deps.random);
    await sleep(this.deps.clock, ms, this.stopping.signal, { keepAlive: false }).catch(() => undefined);
  }
}
