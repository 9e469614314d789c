import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { type AccessQuestion } from '../../libs/service-discovery/src/nest/rest/access/index.js';
import { type Answer, type RestApp, startRestApp } from '../support/rest-app.js';

const ISSUER = 'https://login.shop.example';
const AUDIENCE = 'service-registry';

describe('a JSON web token', () => {
  let rest: RestApp;
  let issuer: Server;
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  let next: typeof keys;
  /** How often the issuer was asked for its keys, and what it answers. */
  let reads = 0;
  let answer: { readonly status: number; readonly keys: readonly object[] };

  beforeAll(async () => {
    keys = await generateKeyPair('RS256', { extractable: true });
    next = await generateKeyPair('RS256', { extractable: true });
    issuer = createServer((_request, response) => {
      reads++;
      response.writeHead(answer.status).end(JSON.stringify({ keys: answer.keys }));
    });
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    rest = await startRestApp('express', {
      api: {
        jwt: {
          jwks: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`,
          issuer: ISSUER,
          audience: AUDIENCE,
        },
        access: [
          {
            jwt: { sub: 'orders-*', scope: ['register', 'admin'] },
            may: ['read', 'register'],
            services: ['orders'],
          },
          { jwt: { groups: '/team/platform' }, may: ['read', 'operate'] },
        ],
      },
    });
    answer = {
      status: 200,
      keys: [
        {
          ...(await exportJWK(keys.publicKey)),
          kid: 'one',
          alg: 'RS256',
          use: 'sig',
        },
      ],
    };
  });
  afterAll(async () => {
    await rest.close();
    await new Promise((resolve) => issuer.close(resolve));
  });
  beforeEach(() => rest.clock.advance(30_000));

  const seconds = (ahead: number): number => Math.floor(rest.clock.epoch() / 1_000) + ahead;
  const claims = (changed: JWTPayload = {}): JWTPayload => ({
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'orders-7',
    scope: 'openid register',
    exp: seconds(60),
    ...changed,
  });
  const sign = (payload: JWTPayload, kid = 'one', by = keys): Promise<string> =>
    new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid }).sign(by.privateKey);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

  const register = (token: string, service_name = 'orders', instance_id = 'o-1'): Promise<Answer> =>
    rest.send('POST', '/register', {
      headers: { authorization: `Bearer ${token}` },
      json: { service_name, instance_id, host: '10.0.0.7', port: 8080 },
    });

  async function isRefused(token: string): Promise<string> {
    const { status, headers, body } = await register(token);
    expect([status, body.error.code]).toEqual([401, 'UNAUTHORIZED']);
    expect(headers['www-authenticate']).toMatch(/^Bearer .*error="invalid_token"/);
    expect(rest.registry.getInstances('orders')).toEqual([]);
    return body.error.message;
  }

  it('without a signature is refused', async () => {
    const unsigned = `${encode({ alg: 'none' })}.${encode(claims())}.`;
    await isRefused(unsigned);
    await isRefused(`${encode({ alg: 'NONE', kid: 'one' })}.${encode(claims())}.`);
    const [, payload, signature] = (await sign(claims())).split('.');
    await isRefused(`${encode({ alg: 'none' })}.${payload}.${signature}`);
  });

  it('signed with the public key as an HMAC secret is refused', async () => {
    const secrets = [await exportSPKI(keys.publicKey), JSON.stringify(answer.keys[0])];
    for (const secret of secrets) {
      const content = `${encode({ alg: 'HS256', kid: 'one' })}.${encode(claims())}`;
      await isRefused(`${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`);
    }
  });

  it('that brings its own key is refused', async () => {
    const jwk = await exportJWK(next.publicKey);
    for (const header of [{ jwk }, { jku: 'http://127.0.0.1:1/keys' }, { x5u: 'http://127.0.0.1:1/keys' }]) {
      await isRefused(
        await new SignJWT(claims()).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(next.privateKey),
      );
    }
  });

  it.each([
    ['of another issuer', { iss: 'https://login.evil.example' }, /"iss"/],
    ['for another audience', { aud: 'shop' }, /"aud"/],
    ['for no audience', { aud: undefined }, /"aud"/],
    ['without an end', { exp: undefined }, /"exp"/],
    ['without a subject', { sub: undefined }, /"sub"/],
  ])('%s is refused', async (_what, changed, message) => {
    expect(await isRefused(await sign(claims(changed)))).toMatch(message);
  });

  it('that has expired, or is not valid yet, is refused by the clock of the registry', async () => {
    const token = await sign(claims({ exp: seconds(10) }));
    rest.clock.advance(16_000);
    expect(await isRefused(token)).toMatch(/"exp"/);
    expect(await isRefused(await sign(claims({ nbf: seconds(30) })))).toMatch(/"nbf"/);
  });

  it('that was changed after it was signed is refused', async () => {
    const [header, , signature] = (await sign(claims())).split('.');
    await isRefused(`${header}.${encode(claims({ sub: 'orders-admin' }))}.${signature}`);
  });

  it('with an unknown key makes the registry ask the issuer once in 30 s, however many come', async () => {
    await register(await sign(claims({ sub: 'stranger' })));
    rest.clock.advance(30_000);
    reads = 0;
    const storm = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => register(await sign(claims(), `unknown-${index}`, next))),
    );
    expect(new Set(storm.map(({ status }) => status))).toEqual(new Set([401]));
    expect(reads).toBe(1);
    expect((await register(await sign(claims()))).status).toBe(201);
    await rest.registry.deregister({
      serviceName: 'orders',
      instanceId: 'o-1',
    });
  });

  it('signed by a new key of the issuer is accepted, and by one that it has withdrawn no longer', async () => {
    const before = answer;
    answer = {
      status: 200,
      keys: [{ ...(await exportJWK(next.publicKey)), kid: 'two', alg: 'RS256' }],
    };
    expect((await register(await sign(claims(), 'two', next))).status).toBe(201);
    await rest.registry.deregister({
      serviceName: 'orders',
      instanceId: 'o-1',
    });
    await isRefused(await sign(claims()));
    answer = before;
  });

  it('is checked with the last keys while the issuer is away', async () => {
    await register(await sign(claims({ sub: 'stranger' })));
    const before = answer;
    answer = { status: 500, keys: [] };
    rest.clock.advance(700_000);
    expect((await register(await sign(claims()))).status).toBe(201);
    await rest.registry.deregister({
      serviceName: 'orders',
      instanceId: 'o-1',
    });
    answer = before;
  });

  it('gives the rights that its claims have, and no others', async () => {
    const messages = [];
    for (const changed of [
      { sub: 'billing-1' },
      { scope: 'registered' },
      { scope: undefined },
      { groups: ['/team/platform/x'], sub: 'x' },
    ]) {
      const { status, body } = await register(await sign(claims(changed)));
      expect([status, body.error.code]).toEqual([403, 'ACCESS_DENIED']);
      messages.push(body.error.message);
    }
    expect(messages[0]).toMatch(/^jwt:https:\/\/login\.shop\.example#billing-1 may not register/);
    expect((await register(await sign(claims()), 'billing')).status).toBe(403);
    expect((await register(await sign(claims()))).status).toBe(201);
    expect((await register(await sign(claims({ sub: 'orders-8' })))).body.error.message).toMatch(/another caller/);
    const headers = {
      authorization: `Bearer ${await sign(claims({ sub: 'me', groups: ['a', '/team/platform'] }))}`,
    };
    const path = '/services/orders/instances/o-1';
    expect(
      (
        await rest.send('PUT', `${path}/status`, {
          headers,
          json: { status: 'draining' },
        })
      ).status,
    ).toBe(200);
    expect((await rest.send('DELETE', path, { headers })).status).toBe(204);
  });
});

describe('a JSON web token whose keys cannot be read', () => {
  it('is answered 503, and 200 once they can', async () => {
    const asked: AccessQuestion[] = [];
    const authorize = (question: AccessQuestion): boolean =>
      asked.push(question) > 0 && question.caller.claims?.sub === 'me';
    let isThere = false;
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwk = await exportJWK(publicKey);
    const issuer = createServer((_request, response) => {
      response.writeHead(isThere ? 200 : 503).end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    const jwks = `http://localhost:${(issuer.address() as AddressInfo).port}`;
    const rest = await startRestApp('fastify', {
      api: { jwt: { jwks, issuer: ISSUER, audience: AUDIENCE }, authorize },
    });
    const token = (sub: string): Promise<string> =>
      new SignJWT({
        iss: ISSUER,
        aud: AUDIENCE,
        sub,
        exp: Math.floor(rest.clock.epoch() / 1_000) + 600,
      })
        .setProtectedHeader({ alg: 'ES256' })
        .sign(privateKey);
    const list = async (sub: string): Promise<Answer> =>
      rest.send('GET', '/services', {
        headers: { authorization: `Bearer ${await token(sub)}` },
      });
    const { status, headers, body } = await list('me');
    expect([status, headers['retry-after'], body.error.code]).toEqual([503, '1', 'KEYS_UNAVAILABLE']);
    isThere = true;
    rest.clock.advance(1_000);
    expect((await list('me')).status).toBe(200);
    expect(asked).toMatchObject([{ action: 'read', caller: { id: `jwt:${ISSUER}#me` }, peer: '127.0.0.1' }]);
    expect((await list('you')).body.error).toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringContaining('api.authorize'),
    });
    await rest.close();
    await new Promise((resolve) => issuer.close(resolve));
  });
});
