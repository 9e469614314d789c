import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFreshApp, type FreshApp } from '../support/fresh-app.js';
import { sharedLibrary } from './shared-apps.js';

/** Prints the answers of its health routes, and its registration. */
const HTTP_APP = `
require('reflect-metadata');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { DiscoverableService, ServiceDiscovery, ServiceDiscoveryModule } = require('nest-service-discovery');

class AppModule {}
Module({ imports: [ServiceDiscoveryModule.forRoot({ logging: false })] })(AppModule);
DiscoverableService({ name: 'bundled' })(AppModule);

async function main() {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  for (const path of ['/health', '/health/ready', '/health/live']) {
    const response = await fetch(url + path);
    console.log(path, response.status, (await response.json()).status);
  }
  const { instance } = await app.get(ServiceDiscovery).waitForService('bundled');
  console.log(instance.status, 'by', instance.healthCheckPath);
  await app.close();
}
void main();
`;

const PRINTED = ['/health 200 healthy', '/health/ready 200 ok', '/health/live 200 ok', 'healthy by /health/ready'];

/** Apps that listen in each of the ways that Nest offers for microservices. */
const MICROSERVICES = `
require('reflect-metadata');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { Transport } = require('@nestjs/microservices');
const { DiscoverableService, ServiceDiscovery, ServiceDiscoveryModule } = require('nest-service-discovery');

const moduleWith = (...services) => {
  const imports = [ServiceDiscoveryModule.forRoot({ logging: false })];
  for (const options of services) {
    class ServiceModule {}
    Module({})(ServiceModule);
    DiscoverableService(options)(ServiceModule);
    imports.push(ServiceModule);
  }
  class AppModule {}
  Module({ imports })(AppModule);
  return AppModule;
};
const logger = ['error', 'warn'];
const tcp = { transport: Transport.TCP, options: { port: 0, host: '127.0.0.1' } };
const show = async (how, app, name, port) => {
  const { baseUrl, status, instance } = await app.get(ServiceDiscovery).waitForService(name);
  const url = new URL(baseUrl);
  console.log(how, name, url.protocol, Number(url.port) === port, status, instance.healthCheckPath);
};
const portOf = (microservice) => microservice.unwrap().address().port;

async function main() {
  const alone = await NestFactory.createMicroservice(moduleWith({ name: 'math' }), { ...tcp, logger });
  await alone.listen();
  await show('alone', alone, 'math', portOf(alone));
  await alone.close();

  for (const isFirst of [true, false]) {
    const app = await NestFactory.create(moduleWith({ name: 'web' }, { name: 'math', protocol: 'tcp' }), { logger });
    const microservice = app.connectMicroservice(tcp);
    if (isFirst) await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    if (!isFirst) await app.startAllMicroservices();
    const how = isFirst ? 'before HTTP' : 'after HTTP';
    await show(how, app, 'web', app.getHttpServer().address().port);
    await show(how, app, 'math', portOf(microservice));
    await app.close();
  }
}
void main();
`;

/** Runs the registry command until it listens, and returns how it ended. */
const COMMAND = `
const { spawn } = require('node:child_process');
const { createInterface } = require('node:readline');
const child = spawn('node_modules/.bin/nest-service-discovery', ['registry', '--port', '0', '--token', 'secret'], {
  env: { ...process.env, NO_COLOR: '1' },
});
child.stderr.pipe(process.stderr);
createInterface(child.stdout).on('line', async (line) => {
  const url = /listens on (http:\\S+)/.exec(line)?.[1];
  if (url === undefined) return;
  const response = await fetch(url + '/service-discovery/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer secret' },
    body: JSON.stringify({ service_name: 'billing', host: 'localhost', port: 8080 }),
  });
  console.log('registered', response.status);
  child.kill('SIGTERM');
});
child.on('exit', (code, signal) => console.log('ended', code, signal));
`;

/** Packages that Nest loads lazily, and that bundles of apps without them must exclude. */
const OPTIONAL_IN_NEST = ['@nestjs/microservices', '@nestjs/websockets', 'class-transformer/storage'];

const WEBPACK_CONFIG = `
const optional = ${JSON.stringify(OPTIONAL_IN_NEST)};
module.exports = {
  target: 'node',
  mode: 'none',
  entry: './http.js',
  output: { path: __dirname, filename: 'webpack.cjs' },
  externals: ({ request }, done) =>
    optional.some((name) => request === name || request.startsWith(name + '/')) ? done(null, 'commonjs ' + request) : done(),
};
`;

describe('a Nest 11 app without @nestjs/terminus, @nestjs/schedule and @nestjs/axios', () => {
  let library: { readonly tarball: string };
  let app: FreshApp;
  let elsewhere: string;

  beforeAll(async () => {
    library = await sharedLibrary();
    app = await createFreshApp({
      library,
      nest: 11,
      type: 'commonjs',
      packages: {
        '@nestjs/terminus': undefined,
        '@nestjs/schedule': undefined,
        '@nestjs/microservices': '^11.0.0',
        esbuild: '^0.25.0',
        webpack: '^5.0.0',
        'webpack-cli': '^6.0.0',
      },
      files: {
        'http.js': HTTP_APP,
        'microservices.js': MICROSERVICES,
        'command.js': COMMAND,
        'webpack.config.js': WEBPACK_CONFIG,
      },
    });
    elsewhere = await mkdtemp(join(tmpdir(), 'bundles-'));
  }, 300_000);

  afterAll(async () => {
    await Promise.all([app.remove(), rm(elsewhere, { recursive: true })]);
  });

  const linesOf = ({ output }: { output: string }): string[] => output.trim().split('\n');

  /** Runs a bundle in a directory without packages. */
  async function runAlone(bundle: string): Promise<string[]> {
    await copyFile(join(app.directory, bundle), join(elsewhere, bundle));
    return linesOf(await app.run('node', join(elsewhere, bundle)));
  }

  it('has its health routes, and registers one of them', async () => {
    expect(linesOf(await app.run('node', 'http.js'))).toEqual(PRINTED);
  });

  it('has the registry command', async () => {
    const { code, output } = await app.run('npx', 'nest-service-discovery', 'registry', '--help');
    expect([code, output]).toEqual([0, expect.stringContaining('Usage: nest-service-discovery registry')]);
    expect(linesOf(await app.run('node', 'command.js'))).toEqual(['registered 201', 'ended 0 null']);
  });

  it('is bundled by esbuild', async () => {
    const externals = OPTIONAL_IN_NEST.flatMap((name) => [`--external:${name}`, `--external:${name}/*`]);
    const options = ['--bundle', '--minify', '--platform=node', '--outfile=esbuild.cjs', '--log-level=warning'];
    const bundled = await app.run('npx', 'esbuild', 'http.js', ...options, ...externals);
    expect(bundled).toEqual({ code: 0, output: '' });
    expect(await runAlone('esbuild.cjs')).toEqual(PRINTED);
  }, 120_000);

  it('is bundled by webpack', async () => {
    const bundled = await app.run('npx', 'webpack');
    expect(bundled.output).not.toContain('ERROR');
    expect(bundled.code).toBe(0);
    expect(await runAlone('webpack.cjs')).toEqual(PRINTED);
  }, 300_000);

  it('registers a TCP microservice when it listens, alone and next to HTTP', async () => {
    expect(linesOf(await app.run('node', 'microservices.js'))).toEqual([
      'alone math tcp: true healthy null',
      'before HTTP web http: true healthy /health/ready',
      'before HTTP math tcp: true healthy null',
      'after HTTP web http: true healthy /health/ready',
      'after HTTP math tcp: true healthy null',
    ]);
  });
});
