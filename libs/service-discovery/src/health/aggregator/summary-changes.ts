import { Listeners } from '../../common/index.js';
import { type HealthSummary, type ServiceStatusChange } from './aggregated-health.js';
import { type ServiceStatuses } from './service-statuses.js';

/** How the health of all services changed since listeners were last notified. */
export interface HealthChange {
  readonly summary: HealthSummary;
  readonly previous: HealthSummary;
  /** In order of name. */
  readonly services: readonly ServiceStatusChange[];
}

/**
 * Notifies listeners of changes to the summary. Changes made in the same turn are reported once, after it, and not at
 * all if the summary is as before. Costs nothing without listeners.
 */
export class SummaryChanges {
  private readonly listeners: Listeners<[HealthChange]>;
  /** The summary that was reported last. */
  private told: HealthSummary | undefined;
  private isDue = false;

  constructor(
    private readonly statuses: ServiceStatuses,
    private readonly summarize: () => HealthSummary,
    onError: (error: unknown) => void,
  ) {
    this.listeners = new Listeners(onError);
  }

  /** @returns unsubscribes; idempotent */
  add(listener: (change: HealthChange) => void): () => void {
    if (this.listeners.size === 0) {
      this.told = this.summarize();
      this.statuses.takeMoves();
    }
    const remove = this.listeners.add(listener);
    return () => {
      remove();
      if (this.listeners.size === 0) this.statuses.forgetMoves();
    };
  }

  /** Schedules a notification, since the summary may have changed. */
  note(): void {
    if (this.isDue || this.listeners.size === 0) return;
    this.isDue = true;
    queueMicrotask(() => this.tell());
  }

  close(): void {
    this.listeners.clear();
    this.statuses.forgetMoves();
  }

  private tell(): void {
    this.isDue = false;
    const previous = this.told;
    if (this.listeners.size === 0 || !previous) return;
    const summary = this.summarize();
    const services = this.statuses.takeMoves();
    if (services.length === 0 && saysTheSame(summary, previous)) return;
    this.told = summary;
    this.listeners.call({ summary, previous, services });
  }
}

/** Compares two summaries between which no service changed its status, so their counts are equal. */
function saysTheSame(one: HealthSummary, other: HealthSummary): boolean {
  return (
    one.overallStatus === other.overallStatus &&
    one.missingServices.join() === other.missingServices.join() &&
    one.registry.connected === other.registry.connected &&
    one.registry.writeRefusal === other.registry.writeRefusal
  );
}
