import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DiscoveryMetrics, EventBus, MemoryRegistryStore, ServiceRegistry } from 'nest-service-discovery';
import { waitFor } from '../apps/demo/support/wait.js';
import { instancesOf, registeredAt } from '../apps/shop/fleet.js';
import { ProcessGroup, type ServiceProcess } from '../apps/support/processes.js';
import { addSources, BUILD_TIMEOUT_MS, buildPackage, type BuiltPackage } from './support/built-package.js';
import { COUNTED, countOneOfEach } from './support/one-of-each.js';
import { Prometheus, promtool } from './support/prometheus.js';

const docs = join(import.meta.dirname, '../docs');
const SELECTOR = /service_discovery_[a-z_]+(?:\{[^}]*\})?/g;
const STAFF = ['gateway', 'user-service', 'order-service', 'inventory-service', 'recommendation-service'];

interface Named {
  readonly name: string;
  readonly expression: string;
}

/** Every expression of a panel, with Grafana's variables filled in. */
async function panelExpressions(): Promise<Named[]> {
  const files = (await readdir(join(docs, 'grafana'))).filter((file) => file.endsWith('.json'));
  const found = files.map(async (file) => {
    const { panels } = JSON.parse(await readFile(join(docs, 'grafana', file), 'utf8')) as {
      readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
    };
    return panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }) => ({
        name: `${file}: ${title}`,
        expression: expr.replaceAll('$__rate_interval', '5m').replaceAll('$service', '.*'),
      })),
    );
  });
  return (await Promise.all(found)).flat();
}

let built: BuiltPackage;
let group: ProcessGroup;
let shop: ServiceProcess[];
let everyMetric: { readonly server: Server; close(): Promise<void> };
let prometheus: Prometheus;

/** A process with each metric, also of what does not happen in a shop that is well. */
async function serveEveryMetric(): Promise<typeof everyMetric> {
  const store = new MemoryRegistryStore();
  const registry = new ServiceRegistry(store);
  await registry.start();
  await registry.register({
    serviceName: COUNTED.service,
    instanceId: COUNTED.instanceId,
    host: '127.0.0.1',
    port: 80,
  });
  const expiryHolds = new Map([[COUNTED.service, { since: 1, overdue: 1, total: 1 }]]);
  const bus = new EventBus();
  const metrics = new DiscoveryMetrics(
    bus,
    { snapshot: { ...registry.snapshot, expiryHolds }, ageMs: () => 0 },
    {},
    { load: () => [{ service: COUNTED.service, inFlight: 1, queued: 1 }] },
  );
  countOneOfEach(bus);
  const server = createServer((_request, response) => {
    void metrics.metrics().then((text) => response.setHeader('content-type', metrics.contentType).end(text));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    metrics.close();
    await registry.close();
    await store.close();
  };
  return { server, close };
}

beforeAll(async () => {
  built = await buildPackage({ name: 'prometheus', type: 'module' });
  await addSources(built, 'apps');
  group = new ProcessGroup({ directory: pathToFileURL(`${built.consumer}/`), startTimeoutMs: 120_000 });
  const registry = await group.start({ name: 'registry', script: 'registry/main.js', env: { PORT: '0' } });
  const env = registeredAt(registry.url);
  shop = [registry];
  for (const service of STAFF) {
    for (const spec of instancesOf(service, [service], env)) shop.push(await group.start(spec));
  }
  everyMetric = await serveEveryMetric();
  prometheus = await Prometheus.start({
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [join(docs, 'prometheus/alerts.yml')],
    scrape_configs: [
      {
        job_name: 'shop',
        metrics_path: '/service-discovery/metrics',
        authorization: { credentials: group.token },
        static_configs: [{ targets: shop.map(({ url }) => new URL(url).host) }],
      },
      {
        job_name: 'every-metric',
        static_configs: [{ targets: [`127.0.0.1:${(everyMetric.server.address() as AddressInfo).port}`] }],
      },
      {
        job_name: 'discovered',
        metrics_path: '/service-discovery/metrics',
        authorization: { credentials: group.token },
        http_sd_configs: [
          {
            url: `${registry.url}/service-discovery/sd/prometheus`,
            authorization: { credentials: group.token },
            refresh_interval: '1s',
          },
        ],
        relabel_configs: [
          { source_labels: ['__meta_service_discovery_service'], target_label: 'service' },
          { source_labels: ['__meta_service_discovery_instance'], target_label: 'instance' },
          { source_labels: ['__meta_service_discovery_version'], target_label: 'version' },
        ],
      },
    ],
  });
  await waitFor(
    'a call that the gateway counts',
    async () => {
      await fetch(`${shop[1]!.url}/shop/users/1/overview`).then((response) => response.arrayBuffer());
      const rates = await prometheus.query('rate(service_discovery_calls_total{job="shop",result="success"}[1m]) > 0');
      return rates.length > 0 || undefined;
    },
    60_000,
  );
  await waitFor(
    'two scrapes of each process',
    async () => {
      const counts = await prometheus.query('count_over_time(service_discovery_services{job!="discovered"}[5m]) > 1');
      return counts.length === shop.length + 1 || undefined;
    },
    60_000,
  );
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  await prometheus.stop();
  await everyMetric.close();
  await group.stop();
  await built.remove();
});

it('promtool finds nothing wrong with the metrics of any process of the shop', async () => {
  const { port } = everyMetric.server.address() as AddressInfo;
  const urls = [...shop.map(({ url }) => `${url}/service-discovery/metrics`), `http://127.0.0.1:${port}`];
  for (const url of urls) {
    const response = await fetch(url, { headers: { authorization: `Bearer ${group.token}` } });
    expect(await promtool(['check', 'metrics'], await response.text())).toBe('');
  }
});

it('Prometheus scrapes each process of the shop', async () => {
  const up = await prometheus.query('up{job="shop"}');
  expect(up.map(({ value }) => value[1])).toEqual(shop.map(() => '1'));
});

it('Prometheus follows registrations and removals through the HTTP service discovery of the registry', async () => {
  const discovered = async (): Promise<readonly string[]> => {
    const { activeTargets } = await prometheus.get<{
      readonly activeTargets: readonly { readonly labels: Readonly<Record<string, string>>; readonly health: string }[];
    }>('targets?state=active');
    return activeTargets
      .filter(({ labels, health }) => labels.job === 'discovered' && health === 'up')
      .map(({ labels }) => `${labels.service} ${labels.version ?? '-'}`)
      .sort();
  };
  const showsOnly = async (wanted: readonly string[]): Promise<true | undefined> =>
    (await discovered()).join() === wanted.join() || undefined;
  const send = (method: string, path: string, body?: object): Promise<Response> =>
    fetch(`${shop[0]!.url}/service-discovery${path}`, {
      method,
      headers: { authorization: `Bearer ${group.token}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
  // The registry registers no service of its own.
  const before = await waitFor(
    'each process of the shop',
    async () => {
      const found = await discovered();
      return found.length === shop.length - 1 ? found : undefined;
    },
    60_000,
  );

  const { port } = everyMetric.server.address() as AddressInfo;
  const batch = { service_name: 'batch', instance_id: 'batch-1', host: '127.0.0.1', port, version: '2.0.0' };
  const metadata = { metrics_path: '/own/metrics' };
  const registered = await send('POST', '/register', { ...batch, health_check_path: null, metadata });
  expect(registered.status).toBe(201);
  await waitFor('a scrape of the new instance', () => showsOnly([...before, 'batch 2.0.0'].sort()), 60_000);
  expect(await prometheus.query('up{job="discovered", service="batch", instance="batch-1"} == 1')).toHaveLength(1);

  expect((await send('DELETE', '/services/batch/instances/batch-1')).status).toBe(204);
  await waitFor('the end of its scrapes', () => showsOnly(before), 60_000);
});

it('each metric of docs/reference/metrics.md answers a query', async () => {
  const page = await readFile(join(docs, 'reference/metrics.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \|/gm)];
  expect(rows.length).toBeGreaterThan(20);
  const missing: string[] = [];
  for (const [, name, type] of rows) {
    const series = `service_discovery_${name}${type === 'histogram' ? '_bucket' : ''}`;
    if ((await prometheus.query(series)).length === 0) missing.push(series);
  }
  expect(missing).toEqual([]);
});

/** What is wrong with an expression: a series that does not exist, or labels that no series of it has. */
async function faultsOf({ name, expression }: Named): Promise<string[]> {
  await prometheus.query(expression);
  const selectors = expression.match(SELECTOR) ?? [];
  const labels = [...expression.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(', '));
  const faults = selectors.length === 0 ? [`${name}: no metric`] : [];
  for (const selector of selectors) {
    const series = await prometheus.query(selector);
    if (series.length === 0) faults.push(`${name}: nothing matches ${selector}`);
    const absent = labels.filter((label) => !series.some(({ metric }) => metric[label]));
    if (absent.length > 0) faults.push(`${name}: ${selector} has no label ${absent.join(', ')}`);
  }
  return faults;
}

async function allFaultsOf(named: readonly Named[]): Promise<string[]> {
  const faults: string[] = [];
  for (const one of named) faults.push(...(await faultsOf(one)));
  return faults;
}

describe('only metrics and labels that exist stand in', () => {
  it('the dashboards of docs/grafana', async () => {
    const panels = await panelExpressions();
    expect(panels.length).toBeGreaterThan(20);
    expect(await allFaultsOf(panels)).toEqual([]);
    const empty: string[] = [];
    for (const { name, expression } of panels) {
      // What only shows trouble is empty while there is none.
      if ((await prometheus.query(expression.replace(/ > 0$/, ''))).length === 0) empty.push(`${name}: ${expression}`);
    }
    expect(empty).toEqual([]);
  });

  it('the queries of docs/reference/metrics.md', async () => {
    const [, queries] = (await readFile(join(docs, 'reference/metrics.md'), 'utf8')).split('## Queries');
    const named = [...queries!.matchAll(/^\| (.*) \| `(.*)` \|$/gm)];
    expect(named.length).toBeGreaterThan(5);
    expect(await allFaultsOf(named.map(([, name, expression]) => ({ name: name!, expression: expression! })))).toEqual(
      [],
    );
  });

  it('the alerts of docs/prometheus, each of which has a runbook', async () => {
    expect(await promtool(['check', 'rules', join(docs, 'prometheus/alerts.yml')])).toBe('');
    const { groups } = await prometheus.get<{
      readonly groups: readonly {
        readonly rules: readonly {
          readonly name: string;
          readonly query: string;
          readonly health: string;
          readonly annotations: Readonly<Record<string, string>>;
        }[];
      }[];
    }>('rules');
    const rules = groups.flatMap((one) => one.rules);
    expect(rules.length).toBeGreaterThan(5);
    expect(await allFaultsOf(rules.map(({ name, query: expression }) => ({ name, expression })))).toEqual([]);
    expect(rules.filter(({ annotations }) => !annotations.summary || !annotations.runbook)).toEqual([]);
  });
});
