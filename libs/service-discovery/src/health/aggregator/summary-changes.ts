import { Listeners } from '../../common/index.js';
import { type HealthSummary, type ServiceStatusChange } from './aggregated-health.js';
import { type ServiceStandings } from './service-standings.js';

/** What became of the health of all services since listeners were told last. */
export interface HealthChange {
  readonly summary: HealthSummary;
  readonly previous: HealthSummary;
  /** In order of name. */
  readonly services: readonly ServiceStatusChange[];
}

/**
 * Tells what of the summary changed. All that changes in one go is told at once, when it is over, and nothing is told where
 * it came back to what it was. While nobody listens, nothing is looked at.
 */
export class SummaryChanges {
  private readonly listeners: Listeners<[HealthChange]>;
  /** What was told last. */
  private told: HealthSummary | undefined;
  private isDue = false;

  constructor(
    private readonly standings: ServiceStandings,
    private readonly summarize: () => HealthSummary,
    onError: (error: unknown) => void,
  ) {
    this.listeners = new Listeners(onError);
  }

  /** @returns stops it; safe to call again */
  add(listener: (change: HealthChange) => void): () => void {
    if (this.listeners.size === 0) {
      this.told = this.summarize();
      this.standings.takeMoves();
    }
    const remove = this.listeners.add(listener);
    return () => {
      remove();
      if (this.listeners.size === 0) this.standings.forgetMoves();
    };
  }

  /** Something may have changed. */
  note(): void {
    if (this.isDue || this.listeners.size === 0) return;
    this.isDue = true;
    queueMicrotask(() => this.tell());
  }

  close(): void {
    this.listeners.clear();
    this.standings.forgetMoves();
  }

  private tell(): void {
    this.isDue = false;
    const previous = this.told;
    if (this.listeners.size === 0 || !previous) return;
    const summary = this.summarize();
    const services = this.standings.takeMoves();
    if (services.length === 0 && saysTheSame(summary, previous)) return;
    this.told = summary;
    this.listeners.call({ summary, previous, services });
  }
}

/** Of summaries between which no service changed its status, so that the counts are equal. */
function saysTheSame(one: HealthSummary, other: HealthSummary): boolean {
  return (
    one.overallStatus === other.overallStatus &&
    one.missingServices.join() === other.missingServices.join() &&
    one.registry.connected === other.registry.connected &&
    one.registry.writeRefusal === other.registry.writeRefusal
  );
}
