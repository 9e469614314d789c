import { Gauge, type Registry } from 'prom-client';
import { type InstanceStatus, type RegistrySnapshot } from '../model/index.js';

/** The source of the gauges, read at each scrape; `ServiceRegistry` implements it. */
export interface MetricsSource {
  readonly snapshot: RegistrySnapshot;
  /** The age of the snapshot, in milliseconds. */
  ageMs(): number;
  /** How many instances have writes waiting for the registry. @default 0 */
  readonly offlineWrites?: number;
}

const STATUSES: readonly InstanceStatus[] = ['healthy', 'unhealthy', 'unknown', 'maintenance', 'draining'];

/**
 * Adds gauges that show the registry at each scrape.
 * @param nameOf returns the full name of a metric
 */
export function gaugeRegistry(source: MetricsSource, registry: Registry, nameOf: (rest: string) => string): void {
  const registers = [registry];
  const gauge = (rest: string, help: string, read: () => number): void => {
    const created: Gauge = new Gauge({ name: nameOf(rest), help, registers, collect: () => created.set(read()) });
  };
  gauge('services', 'Services with at least one instance', () => source.snapshot.services.size);
  gauge('registry_snapshot_age_seconds', 'Age of the snapshot that is served', () => source.ageMs() / 1_000);
  gauge('registry_connected', '1 while the registry can be reached', () => (source.snapshot.connected ? 1 : 0));
  gauge('registry_writable', '1 while the registry can be reached and accepts writes', () => {
    const { connected, writeRefusal } = source.snapshot;
    return connected && writeRefusal === undefined ? 1 : 0;
  });
  const held: Gauge = new Gauge({
    name: nameOf('expiry_held_instances'),
    help: 'Instances missing heartbeats, of services whose expiry is held',
    labelNames: ['service'],
    registers,
    collect: () => {
      held.reset();
      for (const [service, { overdue }] of source.snapshot.expiryHolds) held.set({ service }, overdue);
    },
  });
  gauge('registry_offline_writes', 'Instances with changes waiting for the registry', () => source.offlineWrites ?? 0);
  const instances: Gauge = new Gauge({
    name: nameOf('instances'),
    help: 'Instances, by effective status',
    labelNames: ['status'],
    registers,
    collect: () => {
      const counts = countByStatus(source.snapshot);
      for (const status of STATUSES) instances.set({ status }, counts.get(status) ?? 0);
    },
  });
}

function countByStatus(snapshot: RegistrySnapshot): Map<InstanceStatus, number> {
  const counts = new Map<InstanceStatus, number>();
  for (const list of snapshot.services.values()) {
    for (const { status } of list) counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  return counts;
}
