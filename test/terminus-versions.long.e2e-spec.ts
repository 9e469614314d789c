import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { BUILD_TIMEOUT_MS, type BuiltPackage, buildPackage } from './support/built-package.js';

const exec = promisify(execFile);
const require = createRequire(import.meta.url);

/** An app in plain JavaScript that prints the answers of its health checks, by route and state. */
const APP = `
import { Controller, Get, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import {
  ServiceDiscoveryHealthIndicator, ServiceDiscoveryModule, ServiceReadiness, ServiceRegistry,
} from 'nest-service-discovery';

class OwnController {
  constructor(health, services, readiness) {
    Object.assign(this, { health, services, readiness });
  }
  all() {
    return this.health.check([() => this.services.isHealthy('all', { outage: 'down' })]);
  }
  users() {
    return this.health.check([() => this.services.isHealthy('users', { service: 'users', outage: 'down' })]);
  }
  async block() {
    return { ...(await this.health.check([])), service_discovery: this.services.summary() };
  }
  stock() {
    return this.health.check([() => this.services.isHealthy('stock', { service: 'stock', outage: 'down' })]);
  }
  data() {
    return this.health.check([() => this.services.isHealthy('data', { tier: 'data' })]);
  }
  ready() {
    return this.health.check([() => this.readiness.check()]);
  }
}
[HealthCheckService, ServiceDiscoveryHealthIndicator, ServiceReadiness].forEach((token, index) => Inject(token)(OwnController, undefined, index));
for (const name of ['all', 'block', 'users', 'stock', 'data', 'ready']) {
  Get(name)(OwnController.prototype, name, Object.getOwnPropertyDescriptor(OwnController.prototype, name));
}
Controller('own')(OwnController);

class AppModule {}
Module({
  imports: [TerminusModule.forRoot({ logger: false }), ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false })],
  controllers: [OwnController],
})(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error', 'fatal'] });
await app.listen(0, '127.0.0.1');
const url = await app.getUrl();
const answers = {};
const ask = async (state, ...paths) => {
  for (const path of paths) {
    const response = await fetch(url + path);
    const { status, details, service_discovery: block } = await response.json();
    const words = Object.entries(details).map(([name, detail]) => [name, detail.status, detail.message].filter(Boolean).join(' '));
    if (block) words.push('block ' + block.overall_status);
    answers[state + ' ' + path] = [response.status, status, ...words].join(', ');
  }
};
const registry = app.get(ServiceRegistry);
for (const [serviceName, tier, health] of [['users', 'app', 'healthy'], ['stock', 'data', 'unhealthy']]) {
  await registry.register({ serviceName, tier, instanceId: 'a', host: '127.0.0.1', port: 1 });
  await registry.setStatus({ serviceName, instanceId: 'a' }, health);
}
await ask('outage', '/health', '/own/all', '/own/block', '/own/users', '/own/stock', '/own/data', '/health/ready', '/health/live');
const readiness = app.get(ServiceReadiness);
const release = readiness.hold('busy');
await ask('held', '/health/ready', '/own/ready', '/health/live');
release();
readiness.addCheck(() => { throw new Error('no database'); });
await ask('broken', '/health/ready', '/own/ready');
await app.close();
console.log(JSON.stringify(answers));
`;

const manifests = {
  'terminus-11': require.resolve('terminus-11/package.json'),
  '@nestjs/terminus': require.resolve('@nestjs/terminus/package.json'),
};
let built: BuiltPackage | undefined;
afterEach(() => built?.remove());

describe.each<[string, keyof typeof manifests, string, (key: string) => string]>([
  ['11', 'terminus-11', 'up', (key) => `200, ok, ${key} up`],
  ['12', '@nestjs/terminus', 'degraded', (key) => `200, degraded, ${key} degraded`],
])('with Terminus %s', (major, name, word, degraded) => {
  it(
    'checks answer what they say of other services and of readiness',
    async () => {
      const manifest = manifests[name];
      expect((require(manifest) as { version: string }).version).toMatch(new RegExp(`^${major}\\.`));
      built = await buildPackage({ name: 'terminus', type: 'module' });
      for (const folder of [built.package, built.consumer]) {
        await mkdir(join(folder, 'node_modules/@nestjs'), { recursive: true });
        await symlink(dirname(manifest), join(folder, 'node_modules/@nestjs/terminus'));
      }
      await writeFile(join(built.consumer, 'app.js'), APP);
      const { stdout, stderr } = await exec(process.execPath, [join(built.consumer, 'app.js')]);
      expect({ answers: JSON.parse(stdout) as unknown, stderr }).toEqual({
        answers: {
          'outage /health': `200, degraded, service_discovery ${word}, block degraded`,
          'outage /own/all': degraded('all'),
          'outage /own/block': '200, ok, block degraded',
          'outage /own/users': '200, ok, users up',
          'outage /own/stock': '503, error, stock down',
          'outage /own/data': degraded('data'),
          'outage /health/ready': '200, ok, readiness up',
          'outage /health/live': '200, ok',
          'held /health/ready': '503, error, readiness down busy',
          'held /own/ready': '503, error, readiness down busy',
          'held /health/live': '200, ok',
          'broken /health/ready': '503, error, readiness up, check_1 down no database',
          'broken /own/ready': '503, error, readiness up, check_1 down no database',
        },
        stderr: '',
      });
    },
    BUILD_TIMEOUT_MS,
  );
});
