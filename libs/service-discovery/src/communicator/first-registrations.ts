import { type Clock, onAbort, sleep } from '../common/index.js';
import { type Change, type RegistrySnapshot } from '../model/index.js';
import { type ServiceRegistry } from '../registry/index.js';

/** How long after the registry's first answer a service that was never registered may still be starting. */
const STARTING_MS = 10_000;

/**
 * Tracks which services have been registered since the start, so that a call to one that has not can wait for it: when
 * processes start together, a caller is often ready just before the service that it calls.
 */
export class FirstRegistrations {
  private readonly seen = new Set<string>();
  private endsAt: number | undefined;

  constructor(
    private readonly registry: Pick<ServiceRegistry, 'getInstances' | 'onChange' | 'snapshot'>,
    private readonly clock: Clock,
  ) {
    this.note(registry.snapshot, null);
  }

  /** Whether the time for first registrations is over, so that no call waits any more. */
  get isOver(): boolean {
    return this.endsAt !== undefined && this.clock.now() >= this.endsAt;
  }

  /** Whether a service has never been registered and may still be starting. */
  mayCome(service: string): boolean {
    return !this.seen.has(service) && this.endsAt !== undefined && !this.isOver;
  }

  /** @param change the change that led to the snapshot */
  note({ ready, services }: RegistrySnapshot, change: Change | null): void {
    if (ready) this.endsAt ??= this.clock.now() + STARTING_MS;
    if (change?.type === 'put') this.seen.add(change.instance.serviceName);
    else if (change === null || change.type === 'reset') for (const name of services.keys()) this.seen.add(name);
  }

  /**
   * Resolves when the service is registered, after `maxMs`, or when one of the signals aborts, whichever comes first.
   * @returns how long that took, in milliseconds
   */
  async wait(service: string, maxMs: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<number> {
    const { clock, registry } = this;
    const began = clock.now();
    const over = new AbortController();
    const end = (): void => over.abort();
    const look = (): void => {
      if (registry.getInstances(service).length > 0) end();
    };
    const stops = [registry.onChange(look), ...signals.map((signal) => signal && onAbort(signal, end))];
    if (signals.some((signal) => signal?.aborted)) end();
    await sleep(clock, maxMs, over.signal).catch(() => undefined);
    for (const stop of stops) stop?.();
    return clock.now() - began;
  }
}
