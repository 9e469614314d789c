import { Gauge, type Registry } from 'prom-client';
import { type InstanceStatus, type RegistrySnapshot } from '../model/index.js';

/** What the gauges are read from at each scrape; `ServiceRegistry` is one. */
export interface MetricsSource {
  readonly snapshot: RegistrySnapshot;
  /** How old the snapshot is, in milliseconds. */
  ageMs(): number;
  /** How many instances have changes that wait for the registry. @default 0 */
  readonly offlineWrites?: number;
}

const STATUSES: readonly InstanceStatus[] = ['healthy', 'unhealthy', 'unknown', 'maintenance', 'draining'];

/**
 * Shows the registry as it is at each scrape.
 * @param nameOf makes the name of a metric
 */
export function gaugeRegistry(source: MetricsSource, registry: Registry, nameOf: (rest: string) => string): void {
  const registers = [registry];
  const gauge = (rest: string, help: string, read: () => number): void => {
    const created: Gauge = new Gauge({ name: nameOf(rest), help, registers, collect: () => created.set(read()) });
  };
  gauge('services', 'Services with at least one instance', () => source.snapshot.services.size);
  gauge('registry_snapshot_age_seconds', 'Age of the snapshot that is served', () => source.ageMs() / 1_000);
  gauge('registry_connected', '1 while the registry can be reached', () => (source.snapshot.connected ? 1 : 0));
  gauge('registry_writable', '1 while the registry can be reached and takes writes', () => {
    const { connected, writeRefusal } = source.snapshot;
    return connected && writeRefusal === undefined ? 1 : 0;
  });
  const held: Gauge = new Gauge({
    name: nameOf('expiry_held_instances'),
    help: 'Instances that miss their heartbeats, of services whose expiry is held',
    labelNames: ['service'],
    registers,
    collect: () => {
      held.reset();
      for (const [service, { overdue }] of source.snapshot.expiryHolds) held.set({ service }, overdue);
    },
  });
  gauge(
    'registry_offline_writes',
    'Instances with changes that wait for the registry',
    () => source.offlineWrites ?? 0,
  );
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
