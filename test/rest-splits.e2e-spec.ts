import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Answer, type RestApp, startRestApp } from './support/rest-app.js';

const URL = 'http://kong:8000/users';
const NO_PARTS = { parts: [] };
const DIRECT = { rollout: null, ...NO_PARTS };
/** As answers are, and so that a misspelt property is no type error. */
const like = (expected: object): unknown => expect.objectContaining(expected);

let rest: RestApp;
let service: string;
let services = 0;

beforeAll(async () => {
  rest = await startRestApp('express');
});
afterAll(() => rest.close());
beforeEach(() => {
  service = `users-${++services}`;
});

const get = (path: string): Promise<Answer> => rest.send('GET', `/services/${service}/${path}`);
const put = (path: string, json: object): Promise<Answer> => rest.send('PUT', `/services/${service}/${path}`, { json });
const register = (): Promise<unknown> =>
  rest.registry.register({ serviceName: service, host: '10.0.0.7', port: 8080 }, { heartbeat: 'manual' });
const journalOf = async (name: string): Promise<unknown> =>
  ((await rest.send('GET', `/journal?service=${name}&type=operator.acted`)).body as { entries?: unknown }).entries;

describe('the share of calls through a gateway', () => {
  it('is unknown for a service that does not exist', async () => {
    for (const answer of [await get('split'), await put('share', { share: 5 })]) {
      expect([answer.status, answer.body.error.code]).toEqual([404, 'SERVICE_NOT_FOUND']);
    }
  });

  it('is null for a service without a gateway, and cannot be set', async () => {
    await register();
    expect((await get('split')).body).toEqual({ service_name: service, via: null, ...DIRECT });
    const answer = await put('share', { share: 5 });
    expect([answer.status, answer.body.error.code]).toEqual([400, 'INVALID_REQUEST']);
    expect(answer.body.error.message).toContain(`Give the option services: [{ name: '${service}', via:`);
  });

  it('is set for all callers, and told to the journal', async () => {
    await rest.registry.changeSplit(service, () => ({ via: { url: URL, share: 100 } }));
    const { status, body } = await put('share', { share: 12.5, reason: 'step 2', by: 'ada' });
    expect([status, body]).toEqual([200, { service_name: service, via: { url: URL, share: 12.5 }, ...DIRECT }]);
    expect(rest.registry.splitOf(service)).toEqual({ via: { url: URL, share: 12.5 } });
    const text = `ada (local) set the share of calls through the gateway of ${service} to 12.5 %: step 2`;
    expect(await journalOf(service)).toEqual([like({ text, by: 'ada (local)', reason: 'step 2' })]);
  });

  it('is shown with how attempts ended since it was set', async () => {
    await rest.registry.changeSplit(service, () => ({ via: { url: URL, share: 50 } }));
    for (const [part, ok, durationMs] of [
      ['direct', true, 1],
      ['via', false, 8],
      ['via', true, 2],
      ['via', true, 2],
    ] as const) {
      rest.bus.emit('call.split', { service, part, ok, durationMs });
    }
    expect((await get('split')).body).toMatchObject({
      parts: [
        {
          part: 'via',
          attempts: 3,
          share: 0.75,
          errors: 1,
          error_rate: 1 / 3,
          p99_ms: expect.closeTo(8, -0.5) as unknown,
        },
        { part: 'direct', attempts: 1, share: 0.25, errors: 0, error_rate: 0 },
      ],
    });
    expect((await put('share', { share: 60 })).body).toMatchObject(NO_PARTS);
  });

  it('can be stopped at the circuit of the gateway', async () => {
    await register();
    await rest.registry.changeSplit(service, () => ({ via: { url: URL, share: 50 } }));
    const isolate = (id: string): Promise<Answer> =>
      rest.send('PUT', `/circuit-breakers/${service}/instances/${id}`, { json: { state: 'isolated' } });
    expect((await isolate('via-kong:8000')).status).toBe(200);
    expect((await rest.send('GET', '/circuit-breakers')).body).toMatchObject({
      circuit_breakers: [like({ service_name: service, instance_id: 'via-kong:8000', state: 'isolated' })],
    });
    expect((await isolate('other')).body.error.code).toBe('INSTANCE_NOT_FOUND');
  });

  it.each([{}, { share: -1 }, { share: 101 }, { share: '50' }, { share: 5, url: URL }])('refuses %j', async (json) => {
    const answer = await put('share', json);
    expect([answer.status, answer.body.error.code]).toEqual([400, 'INVALID_REQUEST']);
  });
});

describe('a rollout', () => {
  const start = (json: object): Promise<Answer> => put('rollout', json);

  it('begins with the defaults, is shown, and told to the journal', async () => {
    await register();
    const { status, body } = await start({ version: '2.x', reason: 'release 2', by: 'ada' });
    expect(status).toBe(200);
    expect(body).toEqual({
      service_name: service,
      via: null,
      rollout: {
        version: '2.x',
        state: 'running',
        share: 5,
        steps: [5, 25, 100],
        since: expect.any(String) as unknown,
        step_ms: 300_000,
        max_error_rate: 0.05,
        max_p99_ms: null,
        min_attempts: 20,
        reason: null,
        driver: null,
      },
      ...NO_PARTS,
    });
    expect((await get('split')).body).toEqual(body);
    const text = `ada (local) set the rollout of ${service} to 2.x in steps of 5, 25, 100 %: release 2`;
    expect(await journalOf(service)).toEqual([like({ text })]);
  });

  it('takes its own steps and conditions, and is the only one of its service', async () => {
    await register();
    const conditions = { step_duration: '30s', max_error_rate: 0.01, max_p99: '500ms', min_attempts: 7 };
    const { body } = await start({ version: '2.x', steps: [50, 100], ...conditions });
    expect((body as { rollout?: unknown }).rollout).toMatchObject({
      steps: [50, 100],
      step_ms: 30_000,
      max_error_rate: 0.01,
      max_p99_ms: 500,
      min_attempts: 7,
    });
    const second = await start({ version: '3.x' });
    expect([second.status, second.body.error.code]).toEqual([400, 'INVALID_REQUEST']);
  });

  it('ends with all calls at the other versions, and is then forgotten', async () => {
    await register();
    await start({ version: '2.x' });
    const ended = await put('rollout/end', { reason: 'wrong build' });
    expect(ended.body).toMatchObject({ rollout: { state: 'aborted', share: 0, reason: 'wrong build' } });
    expect((await rest.send('PUT', `/services/${service}/rollout/end`)).body).toMatchObject({ rollout: null });
    const none = await put('rollout/end', {});
    expect([none.status, none.body.error.code]).toEqual([400, 'INVALID_REQUEST']);
  });

  it.each([
    [{}, 'version', 'a semver range, such as "2.x"'],
    [{ version: 'two' }, 'version', 'a semver range, such as "2.x"'],
    [
      { version: '2.x', steps: [25, 5, 100] },
      'steps',
      'up to 20 growing shares in per cent, of which the last is 100: [5, 25, 100]',
    ],
    [{ version: '2.x', steps: 'all' }, 'steps', expect.stringContaining('growing shares in per cent')],
    [{ version: '2.x', step_duration: '1ms' }, 'step_duration', expect.stringContaining('a duration from 1s to 7d, ')],
    [{ version: '2.x', step_duration: 5 }, 'step_duration', "a unit: 5 is 5 ms; write '5ms' or '5s'"],
    [{ version: '2.x', max_error_rate: 5 }, 'max_error_rate', 'a number from 0 to 1'],
    [{ version: '2.x', min_attempts: 0.5 }, 'min_attempts', 'a whole number from 1 to 1000000'],
    [{ version: '2.x', pace: 1 }, 'pace', expect.stringContaining('one of the fields version, steps, ')],
  ])('does not begin with %j, and says what is expected', async (json, field, expected) => {
    await register();
    const answer = await start(json);
    expect([answer.status, answer.body.error.code]).toEqual([400, 'INVALID_REQUEST']);
    expect(answer.body.error.problems).toMatchObject([{ field, expected }]);
  });

  it('is unknown for a service that does not exist', async () => {
    for (const answer of [await start({ version: '2.x' }), await put('rollout/end', {})]) {
      expect([answer.status, answer.body.error.code]).toEqual([404, 'SERVICE_NOT_FOUND']);
    }
  });
});

describe('a split as another process made it', () => {
  const split = { via: { url: URL, share: 20 } };

  it('is set unless the split has changed since', async () => {
    expect((await put('split', { split })).body).toEqual({ replaced: true });
    expect((await put('split', { split: { via: { url: URL, share: 30 } } })).body).toEqual({ replaced: false });
    const replaced = await put('split', { split: { via: { url: URL, share: 30 } }, replaces: split });
    expect([replaced.status, replaced.body]).toEqual([200, { replaced: true }]);
  });

  it.each([
    {},
    { split: 5 },
    { split: { via: { url: 'ftp://kong', share: 5 } } },
    { split: { via: { url: URL, share: 500 } } },
  ])('refuses %j', async (json) => {
    const answer = await put('split', json);
    expect([answer.status, answer.body.error.code]).toEqual([400, 'INVALID_REQUEST']);
  });
});
