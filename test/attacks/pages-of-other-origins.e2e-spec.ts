import { afterEach, describe, expect, it } from '@jest/globals';
import { type RestApp, type RestAppOptions, startRestApp } from '../support/rest-app.js';

const USER = { service_name: 'user-service', instance_id: 'u1', host: '127.0.0.1', port: 8080 };
const KEY = { serviceName: 'user-service', instanceId: 'u1' };
const DRAIN = { status: 'draining', reason: 'because a page said so' };

/** What a browser on the registry's machine sends for a page of another origin. */
const FOREIGN: readonly (readonly [string, Record<string, string>])[] = [
  ['a script of it', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
  ['a sandboxed frame', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
  ['a script of another port of this machine', { origin: 'http://127.0.0.1:9', 'sec-fetch-site': 'same-site' }],
  ['an image, a link or a form that it has', { 'sec-fetch-site': 'cross-site' }],
  ['a name that leads here by DNS rebinding', { host: 'evil.example', origin: 'http://evil.example' }],
];

describe.each(['express', 'fastify'] as const)('on %s', (platform) => {
  let rest: RestApp;

  afterEach(() => rest.close());

  async function start(options: RestAppOptions = {}): Promise<void> {
    rest = await startRestApp(platform, options);
    await rest.registry.register({ ...KEY, host: '127.0.0.1', port: 8080 }, { heartbeat: 'manual' });
  }

  it.each(FOREIGN)('a browser reads and changes nothing without a token for %s', async (_page, headers) => {
    await start();
    const asked = [
      await rest.send('POST', '/register', { json: { ...USER, instance_id: 'u2' }, headers }),
      await rest.send('POST', '/register', {
        raw: JSON.stringify({ ...USER, instance_id: 'u2' }),
        headers: { ...headers, 'content-type': 'text/plain' },
      }),
      await rest.send('PUT', '/services/user-service/instances/u1/status', { json: DRAIN, headers }),
      await rest.send('DELETE', '/services/user-service/instances/u1', { headers }),
      await rest.send('GET', '/services', { headers }),
      await rest.send('GET', '/journal', { headers }),
      await rest.send('GET', '/journal/stream', { headers }),
      await rest.send('GET', '/events', { headers }),
    ];
    expect(asked.map(({ status }) => status)).toEqual(asked.map(() => 403));
    expect(rest.registry.getInstances('user-service').map(({ operatorStatus }) => operatorStatus)).toEqual(['up']);
  });

  it('changes nothing by a request without a CORS preflight if a guard of the app uses cookies', async () => {
    await start({ api: { guard: { canActivate: () => true } } });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=b']) {
      const { status } = await rest.send('POST', '/register', {
        raw: JSON.stringify({ ...USER, instance_id: 'u2' }),
        headers: { cookie: 'session=1', 'content-type': type, 'sec-fetch-site': 'cross-site' },
      });
      expect([type, status]).toEqual([type, 400]);
    }
    expect(rest.registry.getInstances('user-service')).toHaveLength(1);
  });

  it('leaves the page of the dashboard and what a user types to do their work', async () => {
    await start();
    const page = { origin: rest.origin, 'sec-fetch-site': 'same-origin' };
    expect((await rest.send('GET', '/services', { headers: { 'sec-fetch-site': 'none' } })).status).toBe(200);
    expect((await rest.send('GET', '/services', { headers: page })).status).toBe(200);
    const path = '/services/user-service/instances/u1/status';
    expect((await rest.send('PUT', path, { json: DRAIN, headers: page })).status).toBe(200);
  });
});
