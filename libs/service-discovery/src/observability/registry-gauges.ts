import { type ServiceLoad } from '../communicator/index.js';
import { type InstanceStatus, type RegistrySnapshot } from '../model/index.js';
import { MAX_SERVICE_LABELS, ScrapedMetric, type ScrapedValue } from './scraped-metric.js';

/** The source of the gauges, read at each scrape; `ServiceRegistry` implements it. */
export interface MetricsSource {
  readonly snapshot: RegistrySnapshot;
  /** The age of the snapshot, in milliseconds. */
  ageMs(): number;
  /** How many instances have writes waiting for the registry. @default 0 */
  readonly offlineWrites?: number;
}

const STATUSES: readonly InstanceStatus[] = ['healthy', 'unhealthy', 'unknown', 'maintenance', 'draining'];

/** A gauge that is read at each scrape. */
class ScrapedGauge extends ScrapedMetric {
  readonly type = 'gauge';

  constructor(
    name: string,
    help: string,
    protected readonly values: () => ScrapedValue[],
  ) {
    super(name, help);
  }

  /** It keeps nothing. */
  override reset(): void {}
}

/**
 * Gauges of the calls of this process that are under way.
 * @param nameOf returns the full name of a metric
 */
export function loadGauges(load: () => readonly ServiceLoad[], nameOf: (rest: string) => string): ScrapedMetric[] {
  const gauge = (rest: string, help: string, read: (of: ServiceLoad) => number): ScrapedGauge =>
    new ScrapedGauge(nameOf(rest), help, () => {
      const shown = load().slice(0, MAX_SERVICE_LABELS);
      return shown.map((of) => ({ value: read(of), labels: { service: of.service } }));
    });
  return [
    gauge('calls_in_flight', 'Attempts that were sent and are not over', ({ inFlight }) => inFlight),
    gauge('calls_queued', 'Calls that wait for a slot', ({ queued }) => queued),
  ];
}

/**
 * Gauges that show the registry.
 * @param nameOf returns the full name of a metric
 */
export function registryGauges(source: MetricsSource, nameOf: (rest: string) => string): ScrapedMetric[] {
  const gauge = (rest: string, help: string, values: () => ScrapedValue[]): ScrapedGauge =>
    new ScrapedGauge(nameOf(rest), help, values);
  const single = (rest: string, help: string, read: () => number): ScrapedGauge =>
    gauge(rest, help, () => [{ value: read(), labels: {} }]);
  return [
    single('services', 'Services with at least one instance', () => source.snapshot.services.size),
    single('registry_snapshot_age_seconds', 'Age of the snapshot that is served', () => source.ageMs() / 1_000),
    single('registry_connected', '1 while the registry can be reached', () => (source.snapshot.connected ? 1 : 0)),
    single('registry_writable', '1 while the registry can be reached and accepts writes', () => {
      const { connected, writeRefusal } = source.snapshot;
      return connected && writeRefusal === undefined ? 1 : 0;
    }),
    gauge('expiry_held_instances', 'Instances missing heartbeats, of services whose expiry is held', () =>
      [...source.snapshot.expiryHolds].map(([service, { overdue }]) => ({ value: overdue, labels: { service } })),
    ),
    single(
      'registry_offline_writes',
      'Instances with changes waiting for the registry',
      () => source.offlineWrites ?? 0,
    ),
    gauge('instances', 'Instances, by effective status', () => {
      const counts = countByStatus(source.snapshot);
      return STATUSES.map((status) => ({ value: counts.get(status) ?? 0, labels: { status } }));
    }),
  ];
}

function countByStatus(snapshot: RegistrySnapshot): Map<InstanceStatus, number> {
  const counts = new Map<InstanceStatus, number>();
  for (const list of snapshot.services.values()) {
    for (const { status } of list) counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  return counts;
}
