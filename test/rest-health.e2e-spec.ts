import { afterEach, describe, expect, it } from '@jest/globals';
import { type INestApplication } from '@nestjs/common';
import { ServiceDiscoveryModule } from 'nest-service-discovery';
import { Apps, PLATFORMS, urlOf } from './support/nest-app.js';
import { send } from './support/rest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

/**
 * State of an instance: the result of a check, optionally below an operator status, as in `healthy` or `maintenance
 * over healthy`.
 */
type Word = string;

interface Case {
  readonly title: string;
  /** The states of the instances of each service. */
  readonly given: Readonly<Record<string, readonly Word[]>>;
  readonly overall: string;
  /** Of each service, in order. */
  readonly statuses: readonly string[];
  /** For each service, which instance represents it. @default the first */
  readonly speakers?: readonly number[];
}

const WELL = { a: ['healthy'], b: ['healthy'], c: ['healthy'], d: ['healthy'] };

const CASES: readonly Case[] = [
  { title: 'no service', given: {}, overall: 'unknown', statuses: [] },
  {
    title: 'five services, all healthy',
    given: { ...WELL, e: ['healthy', 'healthy'] },
    overall: 'healthy',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'healthy'],
  },
  {
    title: 'one has an unchecked instance next to a healthy one',
    given: { ...WELL, e: ['unknown', 'healthy'] },
    overall: 'healthy',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'healthy'],
    speakers: [0, 0, 0, 0, 1],
  },
  {
    title: 'operators have taken out instances beside healthy ones',
    given: { ...WELL, d: ['draining over healthy', 'healthy'], e: ['maintenance over unhealthy', 'healthy'] },
    overall: 'healthy',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'healthy'],
    speakers: [0, 0, 0, 1, 1],
  },
  {
    title: 'one has lost an instance',
    given: { ...WELL, e: ['unhealthy', 'healthy'] },
    overall: 'degraded',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'degraded'],
    speakers: [0, 0, 0, 0, 1],
  },
  {
    title: 'one has lost its only instance',
    given: { ...WELL, e: ['unhealthy'] },
    overall: 'degraded',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'unhealthy'],
  },
  {
    title: 'one has lost all but an unchecked instance',
    given: { ...WELL, e: ['unhealthy', 'unknown'] },
    overall: 'degraded',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'unhealthy'],
    speakers: [0, 0, 0, 0, 1],
  },
  {
    title: 'an operator has taken out the only instance of one',
    given: { ...WELL, e: ['maintenance over healthy'] },
    overall: 'degraded',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'unhealthy'],
  },
  {
    title: 'the only instance of one is draining',
    given: { ...WELL, e: ['draining over healthy'] },
    overall: 'degraded',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'unhealthy'],
  },
  {
    title: 'the only instance of one has weight 0',
    given: { ...WELL, e: ['healthy at rest'] },
    overall: 'healthy',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'healthy'],
  },
  {
    title: 'an unhealthy instance has weight 0',
    given: { ...WELL, e: ['healthy', 'unhealthy at rest'] },
    overall: 'degraded',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'degraded'],
  },
  {
    title: 'one was not checked yet',
    given: { ...WELL, e: ['unknown'] },
    overall: 'healthy',
    statuses: ['healthy', 'healthy', 'healthy', 'healthy', 'unknown'],
  },
  {
    title: 'one of each status',
    given: {
      a: ['healthy'],
      b: ['healthy', 'unhealthy'],
      c: ['unhealthy'],
      d: ['unknown'],
      e: ['maintenance over unknown'],
    },
    overall: 'degraded',
    statuses: ['healthy', 'degraded', 'unhealthy', 'unknown', 'unknown'],
  },
  {
    title: 'nothing was checked yet, and an operator has taken one out',
    given: {
      a: ['unknown'],
      b: ['unknown', 'unknown'],
      c: ['unknown'],
      d: ['unknown'],
      e: ['maintenance over unknown'],
    },
    overall: 'unknown',
    statuses: ['unknown', 'unknown', 'unknown', 'unknown', 'unknown'],
  },
  {
    title: 'all five are unhealthy',
    given: { a: ['unhealthy'], b: ['unhealthy'], c: ['unhealthy'], d: ['unhealthy', 'unhealthy'], e: ['unhealthy'] },
    overall: 'unhealthy',
    statuses: ['unhealthy', 'unhealthy', 'unhealthy', 'unhealthy', 'unhealthy'],
  },
];

function read(word: Word): { operator: string; health: string; weight: number } {
  const [said = '', rest] = word.split(' at ');
  const [first = '', over] = said.split(' over ');
  const [operator, health] = over === undefined ? ['up', first] : [first, over];
  return { operator, health, weight: rest === undefined ? 100 : 0 };
}

/** Over HTTP, like any client. */
async function establish(app: INestApplication, given: Case['given']): Promise<void> {
  const api = `${urlOf(app)}/service-discovery`;
  for (const [service_name, words] of Object.entries(given)) {
    for (const [index, word] of words.entries()) {
      const { operator, health, weight } = read(word);
      const instance_id = `${service_name}-${index}`;
      const json = { service_name, instance_id, host: '10.0.0.7', port: 8_000 + index, weight };
      expect((await send(`${api}/register`, 'POST', { json })).status).toBe(201);
      const path = `${api}/services/${service_name}/instances/${instance_id}`;
      const detail = { reason: `found ${health}`, latency_ms: 3, status_code: 200, data: { index } };
      if (health !== 'unknown') await send(`${path}/health`, 'PUT', { json: { status: health, detail } });
      if (operator !== 'up') await send(`${path}/status`, 'PUT', { json: { status: operator } });
    }
  }
}

/** What each source reports, highest precedence first. */
function reasonsView(word: Word): object[] {
  const { operator, health } = read(word);
  const reasons: object[] = [];
  if (operator !== 'up') reasons.push({ source: 'operator', status: operator, reason: null, since: ISO });
  if (health !== 'unknown') reasons.push({ source: 'active', status: health, reason: `found ${health}`, since: ISO });
  return reasons;
}

function instanceView(service: string, word: Word, index: number): object {
  const { operator, health } = read(word);
  const checked = health !== 'unknown';
  return {
    instance_id: `${service}-${index}`,
    status: operator === 'up' ? health : operator,
    reasons: reasonsView(word),
    endpoint: `http://10.0.0.7:${8_000 + index}`,
    last_heartbeat: ISO,
    last_checked: checked ? ISO : null,
    latency_ms: checked ? 3 : null,
    status_code: checked ? 200 : null,
    reason: checked ? `found ${health}` : null,
    flapping: false,
    health_data: checked ? { index } : null,
  };
}

describe.each(PLATFORMS)('five services in all states, on %s', (_, adapter) => {
  it.each(CASES)('$title', async ({ given, overall, statuses, speakers }) => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false }), adapter);
    await establish(app, given);
    const count = (wanted: string): number => statuses.filter((status) => status === wanted).length;
    const counts = {
      overall_status: overall,
      total_services: statuses.length,
      healthy_services: count('healthy'),
      degraded_services: count('degraded'),
      unhealthy_services: count('unhealthy'),
      unknown_services: count('unknown'),
    };
    const services = Object.entries(given).map(([name, words], at) => {
      const instances = words.map((word, index) => instanceView(name, word, index));
      const speaker = speakers?.[at] ?? 0;
      const checked = read(words[speaker]!).health !== 'unknown';
      const view = {
        status: statuses[at],
        endpoint: `http://10.0.0.7:${8_000 + speaker}`,
        last_heartbeat: ISO,
        health_data: checked ? { index: speaker } : null,
        expiry_held: null,
        dependencies: [],
        affected_by: [],
        instances,
      };
      return [name, view];
    });
    const registry = { connected: true, age_seconds: 0 };
    const aggregated = await send(`${urlOf(app)}/service-discovery/health/aggregated`, 'GET');
    expect([aggregated.status, aggregated.body]).toEqual([
      200,
      {
        ...counts,
        timestamp: ISO,
        namespace: 'default',
        services: Object.fromEntries(services),
        missing_services: [],
        faults: Object.keys(given)
          .filter((__, at) => statuses[at] === 'unhealthy')
          .map((name) => ({ services: [name], kind: 'unhealthy', cascades: [], at_risk: [] })),
        registry,
      },
    ]);
    const { status, body } = await send(`${urlOf(app)}/health`, 'GET');
    const outcome = overall === 'healthy' || overall === 'unknown' ? 'up' : 'degraded';
    const summary = { ...counts, registry };
    const details = { service_discovery: { status: outcome, ...summary } };
    expect([status, body]).toEqual([
      200,
      {
        status: outcome === 'up' ? 'healthy' : 'degraded',
        info: details,
        error: {},
        details,
        service_discovery: summary,
      },
    ]);
  });
});

describe.each(PLATFORMS)('GET /health/aggregated for a selection, on %s', (_, adapter) => {
  it('aggregates the services that the query selects', async () => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false }), adapter);
    const url = `${urlOf(app)}/service-discovery`;
    await establish(app, { a: ['healthy'], b: ['unhealthy'], c: ['healthy'] });
    const more = { service_name: 'd', host: '10.0.0.8', port: 1, tags: ['edge'], tier: 'web' };
    await send(`${url}/register`, 'POST', { json: more });
    const ask = async (query: string): Promise<unknown[]> => {
      const { body } = await send(`${url}/health/aggregated?${query}`, 'GET');
      const { overall_status, missing_services, services } = body as unknown as Record<string, object>;
      return [overall_status, missing_services, Object.keys(services ?? {})];
    };
    expect(await ask('service=a')).toEqual(['healthy', [], ['a']]);
    expect(await ask('service=a&service=c')).toEqual(['healthy', [], ['a', 'c']]);
    expect(await ask('service=a&service=gone')).toEqual(['unhealthy', ['gone'], ['a']]);
    expect(await ask('tag=edge')).toEqual(['unknown', [], ['d']]);
    expect(await ask('tier=web')).toEqual(['unknown', [], ['d']]);
    expect(await ask('tier=data')).toEqual(['unknown', [], []]);
    expect(await ask('tag=')).toEqual(['degraded', [], ['a', 'b', 'c', 'd']]);
  });

  it('separates faults from their consequences', async () => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false }), adapter);
    const url = `${urlOf(app)}/service-discovery`;
    const add = async (service_name: string, health: string, dependencies?: string[]): Promise<void> => {
      const json = { service_name, instance_id: service_name, host: '10.0.0.7', port: 1, dependencies };
      await send(`${url}/register`, 'POST', { json });
      const path = `${url}/services/${service_name}/instances/${service_name}/health`;
      await send(path, 'PUT', { json: { status: health } });
    };
    await add('shop', 'healthy', ['orders', 'mail']);
    await add('orders', 'unhealthy', ['inventory', 'orders']);
    await add('inventory', 'unhealthy');
    await add('users', 'healthy');
    const ask = async (query = ''): Promise<Record<string, unknown>> =>
      (await send(`${url}/health/aggregated${query}`, 'GET')).body as unknown as Record<string, unknown>;
    const inventory = { services: ['inventory'], kind: 'unhealthy', cascades: ['orders'], at_risk: ['shop'] };
    const mail = { services: ['mail'], kind: 'not_registered', cascades: [], at_risk: ['shop'] };
    expect(await ask()).toMatchObject({
      overall_status: 'degraded',
      total_services: 4,
      unhealthy_services: 2,
      faults: [inventory, mail],
      services: {
        shop: { dependencies: ['orders', 'mail'], affected_by: ['inventory', 'mail'] },
        orders: { dependencies: ['inventory'], affected_by: ['inventory'] },
        inventory: { dependencies: [], affected_by: [] },
        users: { dependencies: [], affected_by: [] },
      },
    });
    expect((await ask('?service=orders')).faults).toEqual([inventory]);
    expect((await ask('?service=users')).faults).toEqual([]);
  });

  it.each(['tier=x&tier=y', 'service=a/b', 'service=', 'tag=x&tag=y', 'other=1'])('rejects %s', async (query) => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false }), adapter);
    const { status, body } = await send(`${urlOf(app)}/service-discovery/health/aggregated?${query}`, 'GET');
    expect([status, body.error.code]).toEqual([400, 'INVALID_REQUEST']);
  });
});

describe.each(PLATFORMS)('GET .../history on %s', (_, adapter) => {
  it('returns the status changes of an instance, even after it left', async () => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false }), adapter);
    const url = `${urlOf(app)}/service-discovery`;
    await establish(app, { a: ['maintenance over unhealthy'] });
    await send(`${url}/services/a/instances/a-0`, 'DELETE');
    const answer = await send(`${url}/services/a/instances/a-0/history`, 'GET');
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        service_name: 'a',
        instance_id: 'a-0',
        transitions: [
          { from: null, to: 'unknown', source: 'lease', reason: 'registered', at: ISO },
          { from: 'unknown', to: 'unhealthy', source: 'active', reason: 'found unhealthy', at: ISO },
          { from: 'unhealthy', to: 'maintenance', source: 'operator', reason: null, at: ISO },
          { from: 'maintenance', to: null, source: 'lease', reason: 'deregistered', at: ISO },
        ],
      },
    ]);
    const unknown = await send(`${url}/services/a/instances/other/history`, 'GET');
    expect([unknown.status, unknown.body.error.code]).toEqual([404, 'INSTANCE_NOT_FOUND']);
  });
});

describe.each(PLATFORMS)('the reasons of an instance on %s', (_, adapter) => {
  it('say who took it out of service, and why', async () => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false }), adapter);
    const url = `${urlOf(app)}/service-discovery`;
    await establish(app, { a: ['healthy'] });
    const say = (json: object): ReturnType<typeof send> =>
      send(`${url}/services/a/instances/a-0/status`, 'PUT', { json });
    const said = async (): Promise<unknown[]> => {
      const { body } = await send(`${url}/services/a`, 'GET');
      const [instance] = body.instances as unknown as { reasons: object[]; operator_note?: object }[];
      return [instance?.operator_note, instance?.reasons[0]];
    };
    await say({ status: 'maintenance', reason: 'a disk is full', by: 'ada' });
    const note = { since: ISO, reason: 'a disk is full', by: 'ada' };
    expect(await said()).toEqual([note, { source: 'operator', status: 'maintenance', ...note }]);
    await say({ status: 'maintenance' });
    expect((await said())[0]).toEqual(note);
    const { body } = await send(`${url}/services/a/instances/a-0/history`, 'GET');
    expect(body).toMatchObject({ transitions: [{}, {}, { source: 'operator', reason: 'a disk is full' }] });
    await say({ status: 'up', reason: 'a new disk', by: 'ada' });
    expect(await said()).toMatchObject([undefined, { source: 'active', status: 'healthy' }]);
    expect((await say({ status: 'maintenance', reason: '' })).status).toBe(400);
    expect((await say({ status: 'maintenance', by: 'x'.repeat(129) })).status).toBe(400);
  });

  it('include since when its health is unchanged, in lists as well', async () => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false }), adapter);
    const url = `${urlOf(app)}/service-discovery`;
    await establish(app, { a: ['healthy'] });
    const report = async (status: string, checked_at: string): Promise<void> => {
      await send(`${url}/services/a/instances/a-0/health`, 'PUT', { json: { status, detail: { checked_at } } });
    };
    const since = async (): Promise<unknown> => {
      const { body } = await send(`${url}/services/a`, 'GET');
      const [instance] = body.instances as unknown as { reasons: { since: string }[] }[];
      return instance?.reasons.map((reason) => reason.since);
    };
    await report('unhealthy', '2026-01-01T00:00:01.000Z');
    await report('unhealthy', '2026-01-01T00:00:02.000Z');
    expect(await since()).toEqual(['2026-01-01T00:00:01.000Z']);
    await report('healthy', '2026-01-01T00:00:03.000Z');
    expect(await since()).toEqual(['2026-01-01T00:00:03.000Z']);
  });
});
