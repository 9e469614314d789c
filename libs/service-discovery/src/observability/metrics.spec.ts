import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type OpenMetricsContentType, register as globalRegistry, Registry } from 'prom-client';
import { InvalidConfigurationError } from '../common/index.js';
import {
  applyChange,
  EMPTY_SNAPSHOT,
  toInstance,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../model/index.js';
import { ManualClock } from '../testing/manual-clock.js';
import { EventBus } from './event-bus.js';
import { DiscoveryMetrics, SERIES_KEPT_MS } from './metrics.js';
import { MAX_INSTANCE_LABELS, MAX_SERVICE_LABELS } from './scraped-metric.js';

const instance = (instanceId: string, status: ServiceInstance['status'] = 'healthy'): ServiceInstance => ({
  ...toInstance({ serviceName: 'users', host: '127.0.0.1', port: 80, instanceId }, { ttlMs: 1, now: 1 }),
  status,
});

describe('DiscoveryMetrics', () => {
  let bus: EventBus;
  let snapshot: RegistrySnapshot;
  let metrics: DiscoveryMetrics;
  let clock: ManualClock;

  const serve = (...instances: ServiceInstance[]): void => {
    snapshot = applyChange(EMPTY_SNAPSHOT, { type: 'reset', revision: 1, instances }, 0);
  };
  const series = async (): Promise<string[]> =>
    (await metrics.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const key = (instanceId: string): { serviceName: string; instanceId: string } => ({
    serviceName: 'users',
    instanceId,
  });
  const pick = (instanceId: string): void =>
    bus.emit('call.picked', { service: 'users', instanceId, strategy: 'random', attempt: 1 });

  beforeEach(() => {
    clock = new ManualClock();
    bus = new EventBus({ clock });
    serve(instance('a'), instance('b', 'draining'));
    const source = {
      get snapshot(): RegistrySnapshot {
        return snapshot;
      },
      ageMs: () => 1_500,
    };
    metrics = new DiscoveryMetrics(bus, source, {}, { clock });
  });

  afterEach(() => metrics.close());

  it('counts troubles of the registry by kind, starting at 0', async () => {
    bus.emit('registry.trouble', { kind: 'gap', service: 'users', reason: 'changes were missed' });
    expect((await series()).filter((line) => line.includes('troubles'))).toEqual([
      'service_discovery_registry_troubles_total{kind="bad_record"} 0',
      'service_discovery_registry_troubles_total{kind="unreadable_service"} 0',
      'service_discovery_registry_troubles_total{kind="unreadable_namespace"} 0',
      'service_discovery_registry_troubles_total{kind="gap"} 1',
      'service_discovery_registry_troubles_total{kind="correction"} 0',
      'service_discovery_registry_troubles_total{kind="restored"} 0',
      'service_discovery_registry_troubles_total{kind="evictable"} 0',
      'service_discovery_registry_troubles_total{kind="unsigned_record"} 0',
      'service_discovery_registry_troubles_total{kind="forged_record"} 0',
      'service_discovery_registry_troubles_total{kind="replayed_record"} 0',
    ]);
  });

  it('counts registrations, removals by reason and health checks by result', async () => {
    bus.emit('instance.registered', { instance: instance('a'), replaced: false });
    bus.emit('instance.registered', { instance: instance('a'), replaced: true });
    bus.emit('instance.expired', { key: key('x') });
    bus.emit('health.checked', { key: key('a'), passed: true, detail: { checkedAt: 1 } });
    bus.emit('health.checked', { key: key('a'), passed: false, detail: { checkedAt: 1 } });
    bus.emit('health.checked', { key: key('a'), passed: false, skipped: true, detail: { checkedAt: 1 } });
    expect(await series()).toEqual(
      expect.arrayContaining([
        'service_discovery_registrations_total 2',
        'service_discovery_deregistrations_total{reason="expired"} 1',
        'service_discovery_deregistrations_total{reason="deregistered"} 0',
        'service_discovery_health_checks_total{service="users",result="success"} 1',
        'service_discovery_health_checks_total{service="users",result="failure"} 1',
        'service_discovery_health_checks_total{service="users",result="skipped"} 1',
      ]),
    );
  });

  it('counts expiry holds, and shows how many instances they affect while they last', async () => {
    const heldSeries = async (): Promise<string[]> => (await series()).filter((line) => line.includes('expiry_h'));
    bus.emit('expiry.held', { service: 'users', since: 1, overdue: 9, total: 10 });
    snapshot = { ...snapshot, expiryHolds: new Map([['users', { since: 1, overdue: 9, total: 10 }]]) };
    expect(await heldSeries()).toEqual([
      'service_discovery_expiry_holds_total{service="users"} 1',
      'service_discovery_expiry_held_instances{service="users"} 9',
    ]);
    snapshot = { ...snapshot, expiryHolds: new Map() };
    expect(await heldSeries()).toEqual(['service_discovery_expiry_holds_total{service="users"} 1']);
  });

  it('counts each event of circuits, balancing and calls by its labels', async () => {
    bus.emit('circuit.opened', { service: 'users', instanceId: 'a', failures: 5, reason: 'consecutive_failures' });
    bus.emit('circuit.half_opened', { service: 'users', instanceId: 'a', reason: 'recovery_time_over' });
    bus.emit('circuit.closed', { service: 'users', reason: 'probes_succeeded' });
    const key = { serviceName: 'users', instanceId: 'a' };
    bus.emit('instance.ejected', { key, reason: 'latency', evidence: 'slow', ejectedForMs: 1, ejections: 1 });
    const dryRun = { reason: 'latency', evidence: 'slow', ejectedForMs: 1, ejections: 1, enforced: false } as const;
    bus.emit('instance.ejected', { key, ...dryRun });
    bus.emit('instance.unreachable', { key, reason: 'connect ECONNREFUSED', avoidedForMs: 1, failures: 1 });
    bus.emit('balancing.panic', { service: 'users', healthyShare: 0.25 });
    bus.emit('balancing.panic_ended', { service: 'users', healthyShare: 0.75 });
    pick('a');
    pick('a');
    bus.emit('call.picked', { service: 'ill', instanceId: 'x', strategy: 'random', attempt: 1, failOpen: true });
    bus.emit('call.picked', { service: 'ill', instanceId: 'y', strategy: 'random', attempt: 1, failOpen: false });
    bus.emit('call.refused', { service: 'users', stage: 'rate_limit', code: 'RATE_LIMITED', retryAfterMs: 5 });
    bus.emit('call.retried', { service: 'users', attempt: 2, delayMs: 0, reason: 'status 503' });
    bus.emit('call.hedged', { service: 'users', attempt: 2, afterMs: 12.4 });
    bus.emit('call.failed_over', { service: 'users', from: 'a', to: 'b', reason: 'status 503' });
    bus.emit('call.answered_stale', { service: 'users', ageMs: 1_500, reason: 'CIRCUIT_OPEN' });
    bus.emit('call.completed', { service: 'users', ok: true, status: 200, attempts: 2, durationMs: 20 });
    bus.emit('call.completed', { service: 'users', ok: false, code: 'CIRCUIT_OPEN', attempts: 1, durationMs: 1 });
    expect(await series()).toEqual(
      expect.arrayContaining([
        'service_discovery_circuit_state_changes_total{service="users",instance="a",to="open"} 1',
        'service_discovery_circuit_state_changes_total{service="users",instance="a",to="half_open"} 1',
        'service_discovery_circuit_state_changes_total{service="users",instance="",to="closed"} 1',
        'service_discovery_ejections_total{service="users",instance="a",reason="latency"} 1',
        'service_discovery_unreachable_total{service="users"} 1',
        'service_discovery_panics_total{service="users"} 1',
        'service_discovery_balancing_decisions_total{service="users",instance="a",strategy="random"} 2',
        'service_discovery_fail_open_picks_total{service="ill"} 1',
        'service_discovery_refusals_total{service="users",stage="rate_limit",code="RATE_LIMITED"} 1',
        'service_discovery_retries_total{service="users"} 1',
        'service_discovery_hedges_total{service="users"} 1',
        'service_discovery_failovers_total{service="users"} 1',
        'service_discovery_stale_answers_total{service="users"} 1',
        'service_discovery_calls_total{service="users",result="success",code=""} 1',
        'service_discovery_calls_total{service="users",result="failure",code="CIRCUIT_OPEN"} 1',
        'service_discovery_call_duration_seconds_bucket{le="0.01",service="users",result="success"} 0',
        'service_discovery_call_duration_seconds_bucket{le="0.025",service="users",result="success"} 1',
        'service_discovery_call_duration_seconds_sum{service="users",result="success"} 0.02',
      ]),
    );
  });

  it('returns the same counts when scraped twice', async () => {
    pick('a');
    const first = await series();
    expect(await series()).toEqual(first);
  });

  it('reads gauges from the snapshot at each scrape', async () => {
    expect(await series()).toEqual(
      expect.arrayContaining([
        'service_discovery_services 1',
        'service_discovery_instances{status="healthy"} 1',
        'service_discovery_instances{status="draining"} 1',
        'service_discovery_instances{status="unhealthy"} 0',
        'service_discovery_registry_snapshot_age_seconds 1.5',
        'service_discovery_registry_connected 1',
        'service_discovery_registry_offline_writes 0',
      ]),
    );
    snapshot = { ...EMPTY_SNAPSHOT };
    expect(await series()).toEqual(
      expect.arrayContaining(['service_discovery_services 0', 'service_discovery_registry_connected 0']),
    );
  });

  it('removes the series of an instance that left, also after a late event', async () => {
    pick('a');
    pick('b');
    bus.emit('circuit.opened', { service: 'users', instanceId: 'b', failures: 5, reason: 'consecutive_failures' });
    serve(instance('a'));
    bus.emit('instance.deregistered', { key: key('b') });
    expect((await series()).filter((line) => line.includes('instance="b"'))).toEqual([]);
    pick('b');
    expect((await series()).filter((line) => line.includes('instance="'))).toEqual([
      'service_discovery_balancing_decisions_total{service="users",instance="a",strategy="random"} 1',
    ]);
  });

  describe('of a service without instances', () => {
    const seriesOfUsers = async (): Promise<string[]> =>
      (await series()).filter((line) => line.includes('service="users"'));
    const call = (service = 'users'): void =>
      bus.emit('call.completed', { service, ok: true, attempts: 1, durationMs: 1 });
    const leave = (...ids: string[]): void => {
      for (const id of ids) bus.emit('instance.expired', { key: key(id) });
    };

    beforeEach(() => {
      pick('a');
      call();
      bus.emit('circuit.closed', { service: 'users', reason: 'reset' });
      bus.emit('call.retried', { service: 'users', attempt: 2, delayMs: 0, reason: 'status 503' });
    });

    it('keeps the series until its last calls have been scraped, and starts from 0 when it returns', async () => {
      snapshot = { ...EMPTY_SNAPSHOT, ready: true };
      leave('a', 'b');
      clock.advance(SERIES_KEPT_MS - 1);
      call();
      expect(await seriesOfUsers()).toEqual(
        expect.arrayContaining([
          'service_discovery_calls_total{service="users",result="success",code=""} 2',
          'service_discovery_call_duration_seconds_count{service="users",result="success"} 2',
          'service_discovery_retries_total{service="users"} 1',
          'service_discovery_circuit_state_changes_total{service="users",instance="",to="closed"} 1',
        ]),
      );
      clock.advance(1);
      expect(await seriesOfUsers()).toEqual([]);
      serve(instance('a'));
      call();
      expect((await seriesOfUsers())[0]).toBe(
        'service_discovery_calls_total{service="users",result="success",code=""} 1',
      );
    });

    it('continues the series if there is another instance by then', async () => {
      serve(instance('a'));
      leave('b');
      clock.advance(SERIES_KEPT_MS);
      expect((await seriesOfUsers()).length).toBeGreaterThan(3);
      serve(instance('c'));
      leave('a');
      clock.advance(SERIES_KEPT_MS);
      expect((await seriesOfUsers()).length).toBeGreaterThan(3);
    });

    it('restarts the delay with each instance that leaves', async () => {
      snapshot = { ...EMPTY_SNAPSHOT, ready: true };
      leave('a');
      clock.advance(SERIES_KEPT_MS - 1);
      leave('b');
      clock.advance(SERIES_KEPT_MS - 1);
      expect(await seriesOfUsers()).not.toEqual([]);
      clock.advance(1);
      expect(await seriesOfUsers()).toEqual([]);
    });

    it('does not wait for a service that was left later', async () => {
      snapshot = { ...EMPTY_SNAPSHOT, ready: true };
      bus.emit('instance.expired', { key: { serviceName: 'orders', instanceId: 'a' } });
      leave('a');
      clock.advance(1);
      bus.emit('instance.expired', { key: { serviceName: 'orders', instanceId: 'b' } });
      clock.advance(SERIES_KEPT_MS - 1);
      expect(await seriesOfUsers()).toEqual([]);
    });

    it('removes the series without a scrape when other instances leave', async () => {
      snapshot = { ...EMPTY_SNAPSHOT, ready: true };
      leave('a', 'b');
      clock.advance(SERIES_KEPT_MS);
      bus.emit('instance.expired', { key: { serviceName: 'orders', instanceId: 'x' } });
      serve(instance('a'));
      expect(await seriesOfUsers()).toEqual([]);
    });

    it('keeps the series of names without registrations', async () => {
      call('own-function');
      clock.advance(10 * SERIES_KEPT_MS);
      expect((await series()).filter((line) => line.includes('own-function'))).not.toEqual([]);
    });
  });

  it('counts all calls to unknown services in one series', async () => {
    for (const service of ['x', 'y']) {
      bus.emit('call.completed', { service, ok: false, code: 'SERVICE_NOT_FOUND', attempts: 0, durationMs: 0 });
      bus.emit('call.failed_over', { service, from: service, to: 'backup', reason: 'SERVICE_NOT_FOUND' });
    }
    expect((await series()).filter((line) => line.includes('failovers_total'))).toEqual([
      'service_discovery_failovers_total{service="_unknown"} 2',
    ]);
    expect((await series()).filter((line) => line.includes('calls_total'))).toEqual([
      'service_discovery_calls_total{service="_unknown",result="failure",code="SERVICE_NOT_FOUND"} 2',
    ]);
  });

  it('counts the services beyond the limit of 1,000 under one label', async () => {
    for (let service = 0; service < MAX_SERVICE_LABELS + 2; service++) {
      bus.emit('call.retried', { service: `service-${service}`, attempt: 2, delayMs: 0, reason: '' });
    }
    const retries = (await series()).filter((line) => line.includes('retries_total'));
    expect(retries).toHaveLength(MAX_SERVICE_LABELS + 1);
    expect(retries).toContain('service_discovery_retries_total{service="_other"} 2');
  });

  it('counts the instances beyond the limit of 10,000 under one label of their service, until others leave', async () => {
    const own = new DiscoveryMetrics(bus);
    const pick = (instanceId: string): void =>
      bus.emit('call.picked', { service: 'users', instanceId, strategy: 'random', attempt: 1 });
    const picks = async (): Promise<string[]> =>
      (await own.metrics())
        .split('\n')
        .filter((line) => line.startsWith('service_discovery_balancing_decisions_total'));
    for (let number = 0; number < MAX_INSTANCE_LABELS + 2; number++) pick(String(number));
    expect(await picks()).toHaveLength(MAX_INSTANCE_LABELS + 1);
    const other = 'service_discovery_balancing_decisions_total{service="users",instance="_other",strategy="random"} 2';
    expect(await picks()).toContain(other);
    for (const gone of ['0', '1']) bus.emit('instance.expired', { key: { serviceName: 'users', instanceId: gone } });
    pick('later');
    expect((await picks()).filter((line) => line.includes('"later"'))).toHaveLength(1);
    expect(await picks()).toContain(other);
    own.close();
  });

  it('shows the span of the latest call in each bucket to a registry in OpenMetrics format', async () => {
    const registry = new Registry<OpenMetricsContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const own = new DiscoveryMetrics(bus, undefined, { registry });
    const ids = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
    bus.emit('call.completed', { service: 'users', ok: true, attempts: 1, durationMs: 4, ...ids });
    bus.emit('call.completed', { service: 'users', ok: true, attempts: 1, durationMs: 40, traceId: 'c'.repeat(32) });
    const exemplars = (await registry.metrics()).split('\n').filter((line) => line.includes(' # {'));
    own.close();
    expect(exemplars).toEqual([
      expect.stringMatching(/le="0.005".* 1 # \{trace_id="a{32}",span_id="b{16}"\} 0.004 [\d.]+$/),
    ]);
  });

  it('leaves the global registry alone, and removes its metrics from a given one on close()', async () => {
    expect(await globalRegistry.metrics()).not.toContain('service_discovery_');
    const registry = new Registry();
    const own = new DiscoveryMetrics(bus, undefined, { registry, prefix: 'sd_' });
    bus.emit('instance.registered', { instance: instance('a'), replaced: false });
    expect(await registry.metrics()).toContain('sd_registrations_total 1');
    expect(own.contentType).toBe(registry.contentType);
    own.close();
    expect((await registry.metrics()).trim()).toBe('');
  });

  it('names all invalid options at once', () => {
    const make = (): unknown =>
      new DiscoveryMetrics(bus, undefined, { prefix: '1 ', durationBuckets: [1, Number.NaN] });
    expect(make).toThrow(InvalidConfigurationError);
    expect(make).toThrow(/prefix.*\n.*durationBuckets/);
  });

  it.each([
    ...[null, true, 'x'].map((registry) => ({ registry })),
    ...[null, true, ''].map((prefix) => ({ prefix })),
    ...[null, 5, {}, [], ['1']].map((durationBuckets) => ({ durationBuckets })),
    { buckets: [1] },
  ])('rejects %j', (options) => {
    const make = (): unknown => new DiscoveryMetrics(bus, undefined, options as never);
    expect(make).toThrow(InvalidConfigurationError);
    expect(make).toThrow(`- ${Object.keys(options)[0]}: `);
  });
});
