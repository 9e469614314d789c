import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { appIn, type FreshApp } from '../support/fresh-app.js';
import { appWithAll, succeed } from './shared-apps.js';
import { NEST_VERSIONS, OPTIONAL_PEERS } from './versions.js';

/** An app that uses each optional peer, but for the one that is named. Prints what came of each use as JSON: 'ok' or the error. */
const MAIN = `
async function main() {
  const [absent] = process.argv.slice(2);
  const load = (name) => (name === absent ? undefined : import(name));
  await import('reflect-metadata');
  const { Controller, Get, Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { DiscoverableService, ServiceCommunicator, ServiceDiscovery, ServiceDiscoveryModule } = await import('nest-service-discovery');
  const terminus = await load('@nestjs/terminus');
  const http = absent === 'axios' ? undefined : await load('@nestjs/axios');
  const fastify = absent === '@nestjs/platform-express' ? await import('@nestjs/platform-fastify') : undefined;

  class AppController {
    find() {
      return { name: 'Ada' };
    }
  }
  Get('users/1')(AppController.prototype, 'find', Object.getOwnPropertyDescriptor(AppController.prototype, 'find'));
  Controller()(AppController);

  async function start(options) {
    class AppModule {}
    const imports = [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false, ...options })];
    if (terminus) imports.push(terminus.TerminusModule.forRoot({ logger: false }));
    if (http && options.transport === 'axios') imports.push(http.HttpModule);
    Module({ imports, controllers: [AppController] })(AppModule);
    DiscoverableService({ name: 'user-service' })(AppModule);
    const adapter = fastify ? [new fastify.FastifyAdapter()] : [];
    const app = await NestFactory.create(AppModule, ...adapter, { logger: ['error', 'warn'], abortOnError: false });
    await app.listen(0, '127.0.0.1');
    return app;
  }
  async function works(options) {
    const app = await start(options);
    const { status } = await app.get(ServiceDiscovery).waitForService('user-service');
    const user = await app.get(ServiceCommunicator).callServiceJson('user-service', { path: '/users/1' });
    const url = await app.getUrl();
    const health = await fetch(url + '/health');
    const body = JSON.stringify({ service_name: 'other', host: '127.0.0.1', port: 'many' });
    const headers = { 'content-type': 'application/json' };
    const refused = await fetch(url + '/service-discovery/register', { method: 'POST', headers, body });
    await app.close();
    const seen = [status, user.name, health.status, refused.status].join(' ');
    return seen === 'healthy Ada 200 400' ? 'ok' : seen;
  }
  const results = {};
  const uses = { app: {}, schedule: { healthCheck: { cron: '* * * * * *' } }, axios: { transport: 'axios' } };
  for (const [name, options] of Object.entries(uses)) results[name] = await works(options).catch(({ message }) => message);
  console.log(JSON.stringify(results));
}
main();
`;

const missing = (names: string): unknown => expect.stringContaining(`npm install ${names}`);

/** What fails without a peer, with the command that installs it. */
const WITHOUT: Readonly<Record<string, object>> = {
  '@nestjs/axios': { axios: missing('@nestjs/axios axios') },
  '@nestjs/schedule': { schedule: missing('@nestjs/schedule') },
  axios: { axios: missing('@nestjs/axios axios') },
};
const ALL_WORK = { app: 'ok', schedule: 'ok', axios: 'ok' };

describe.each(NEST_VERSIONS)('Nest %i', (nest, type) => {
  async function usesOf(app: FreshApp, absent = ''): Promise<unknown> {
    await app.write({ 'peers.js': MAIN });
    // Nest logs below it that a start was refused.
    const [printed] = (await succeed(app, 'node', 'peers.js', absent)).split('\n', 1);
    return JSON.parse(printed!);
  }

  it('every optional peer is there', async () => {
    expect(await usesOf(appIn(await appWithAll(nest, type)))).toEqual(ALL_WORK);
  });

  it.each(OPTIONAL_PEERS)('%s is not installed', async (peer) => {
    const app = appIn(await appWithAll(nest, type));
    const [installed, away] = [join(app.directory, 'node_modules', peer), join(app.directory, 'away')];
    await rename(installed, away);
    try {
      expect(await usesOf(app, peer)).toEqual({ ...ALL_WORK, ...WITHOUT[peer] });
    } finally {
      await rename(away, installed);
    }
  });
});
