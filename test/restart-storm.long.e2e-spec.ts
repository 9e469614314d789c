import { afterEach, describe, expect, it } from '@jest/globals';
import { Pool } from 'undici';
import { type RestApp, startRestApp } from './support/rest-app.js';

const TOKEN = 'a-token-of-the-fleet';
const SERVICES = 100;
const INSTANCES = 10_000;

describe('a fleet of 10,000 instances with one token', () => {
  let rest: RestApp;
  afterEach(() => rest.close());

  it('registers at once, as after a restart of the registry, without meeting a limit', async () => {
    rest = await startRestApp('express', { api: { token: TOKEN }, peer: '192.0.2.7' });
    const limits: unknown[] = [];
    rest.bus.on('api.limit_reached', (event) => limits.push(event));
    const pool = new Pool(rest.origin, { connections: 50 });
    const register = async (index: number): Promise<number> => {
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: '/service-discovery/register',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
        body: JSON.stringify({ service_name: `service-${index % SERVICES}`, host: '10.0.0.7', port: 1_000 + index }),
      });
      await body.dump();
      return statusCode;
    };
    const statuses = await Promise.all(Array.from({ length: INSTANCES }, (_, index) => register(index)));
    expect(new Set(statuses)).toEqual(new Set([201]));
    expect(limits).toEqual([]);
    expect(rest.registry.listServices()).toHaveLength(SERVICES);
    await pool.close();
  }, 300_000);
});
