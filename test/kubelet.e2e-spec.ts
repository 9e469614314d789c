import { writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplication } from '@nestjs/common';
import { ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { type Change } from 'nest-service-discovery/core';
import { type AppProcess, AppProcesses, SLOW_CONTROLLER } from './support/app-processes.js';
import { type BuiltPackage, buildPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';
import { Kubelet, type PodSpec } from './support/kubelet.js';
import { Apps, urlOf } from './support/nest-app.js';

/**
 * An app in plain JavaScript, as it runs in a pod. Its parent receives `'starting'` from an `onModuleInit` that waits,
 * `{ url }` when it listens, and `'called'` when a call of /slow arrives. Each step named in `WAITS` waits for a
 * message.
 */
const SERVICE = `
import { Controller, Get, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DiscoverableService, ServiceDiscovery, ServiceDiscoveryModule, ServiceReadiness } from 'nest-service-discovery';

const waits = (process.env.WAITS ?? '').split(',');
${SLOW_CONTROLLER}
class StartModule {
  constructor(discovery) {
    this.discovery = discovery;
  }
  async onModuleInit() {
    if (waits.includes('service')) {
      process.send('starting');
      await this.discovery.waitForService('unknown', { timeout: false });
    }
    if (!waits.includes('init')) return;
    const keepAlive = setInterval(() => undefined, 1_000);
    process.send('starting');
    await command('never');
    clearInterval(keepAlive);
  }
}
Inject(ServiceDiscovery)(StartModule, undefined, 0);
Module({})(StartModule);

class AppModule {}
Module({ imports: [StartModule, ServiceDiscoveryModule.forRoot(JSON.parse(process.env.SETTINGS))], controllers: [SlowController] })(AppModule);
DiscoverableService({ name: 'work-service' })(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error', 'fatal'] });
app.enableShutdownHooks([], { useProcessExit: true });
if (waits.includes('ready')) {
  const release = app.get(ServiceReadiness).hold('the catalog is being loaded');
  void command('ready').then(release);
}
await app.listen(0, '127.0.0.1');
process.send({ url: await app.getUrl() });
`;

const apps = new Apps();
const processes = new AppProcesses();
const kubelets = new Set<Kubelet>();
let built: BuiltPackage;

beforeAll(async () => {
  built = await buildPackage({ name: 'pod', type: 'module' });
  await writeFile(join(built.consumer, 'service.js'), SERVICE);
}, BUILD_TIMEOUT_MS);
afterAll(() => built.remove());
afterEach(async () => {
  for (const kubelet of kubelets) kubelet.close();
  kubelets.clear();
  processes.kill();
  await apps.close();
});

const startRegistry = (): Promise<INestApplication> =>
  apps.listen(ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false, healthCheck: { interval: '1s' } }));

/** @param waits where the process waits: `init` or `service` in a startup hook, `ready` before it is ready */
function startPod(registry: INestApplication, waits: string, drainDelay = '100ms'): AppProcess {
  const SETTINGS = JSON.stringify({ registryUrl: urlOf(registry), shutdown: { drainDelay } });
  return processes.start(join(built.consumer, 'service.js'), { SETTINGS, WAITS: waits });
}

function manage(pod: AppProcess, url: string, changes: Partial<PodSpec> = {}): Kubelet {
  const probe = { periodMs: 100, timeoutMs: 5_000, failureThreshold: 3 };
  const kubelet = new Kubelet(pod.child, {
    url,
    liveness: { ...probe, path: '/health/live' },
    readiness: { ...probe, path: '/health/ready', failureThreshold: 1 },
    terminationGracePeriodMs: 30_000,
    ...changes,
  });
  kubelets.add(kubelet);
  return kubelet;
}

const servicesOf = (registry: INestApplication): readonly string[] => [
  ...registry.get(ServiceRegistry).snapshot.services.keys(),
];

function call(url: string, agent?: Agent): Promise<unknown> {
  return new Promise((resolve, reject) => {
    get(url, agent ? { agent } : { agent: false }, (response) => resolve(json(response))).once('error', reject);
  });
}

/** Consecutive calls, over kept and new connections, for as long as the endpoints contain the pod. */
class Traffic {
  answered = 0;
  readonly failures: unknown[] = [];
  private readonly agent = new Agent({ keepAlive: true });
  private stopped = false;
  private readonly running: Promise<unknown>;

  constructor(url: string) {
    this.running = Promise.all([undefined, undefined, this.agent, this.agent].map((agent) => this.run(url, agent)));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
    this.agent.destroy();
  }

  private async run(url: string, agent: Agent | undefined): Promise<void> {
    while (!this.stopped) {
      await call(`${url}/quick`, agent).then(
        () => this.answered++,
        (error: unknown) => this.failures.push(error),
      );
    }
  }
}

describe('a pod', () => {
  it('receives traffic when ready, drops no calls when deleted, and exits with 0 by itself', async () => {
    const registry = await startRegistry();
    const pod = startPod(registry, 'ready', '2s');
    const { url } = (await pod.message()) as { url: string };
    const kubelet = manage(pod, url);
    await kubelet.until(
      ({ readinessAnswers, livenessAnswers }) => readinessAnswers.length >= 3 && livenessAnswers.length >= 3,
    );
    expect(kubelet.isReady).toBe(false);
    expect(servicesOf(registry)).toEqual([]);
    pod.child.send('ready');
    await kubelet.until(({ isReady }) => isReady);

    const traffic = new Traffic(url);
    const slow = call(`${url}/slow`);
    expect(await pod.message()).toBe('called');
    const stop = new AbortController();
    const changes = registry.get(ServiceRegistry).watch({ services: ['work-service'] }, stop.signal);
    const asked = kubelet.readinessAnswers.length;
    const ended = kubelet.terminate();
    // Senders learn of it late, here after the probe has failed twice.
    await kubelet.until(({ readinessAnswers }) => readinessAnswers.length >= asked + 3);
    const sentBefore = traffic.answered;
    await kubelet.until(({ readinessAnswers }) => readinessAnswers.length >= asked + 5);
    await traffic.stop();
    expect(traffic.answered).toBeGreaterThan(sentBefore);
    await untilGone(changes);
    pod.child.send('finish');

    expect(await slow).toEqual({ slow: true });
    expect(await ended).toEqual({ code: 0, signal: null });
    stop.abort();
    expect(traffic.failures).toEqual([]);
    // One probe may have been in flight when the signal came.
    expect(new Set(kubelet.readinessAnswers.slice(asked + 1, asked + 5))).toEqual(new Set([503]));
    expect(new Set(kubelet.livenessAnswers)).toEqual(new Set([200]));
    expect([kubelet.restarts, kubelet.wasKilled]).toEqual([0, false]);
  });

  it('exits after its call in flight even if it is signalled twice', async () => {
    const pod = startPod(await startRegistry(), '');
    const { url } = (await pod.message()) as { url: string };
    const kubelet = manage(pod, url);
    const slow = call(`${url}/slow`);
    expect(await pod.message()).toBe('called');
    await kubelet.until(({ isReady }) => isReady);
    const ended = kubelet.terminate();
    await kubelet.until(({ isReady }) => !isReady);
    pod.child.kill('SIGTERM');
    pod.child.send('finish');
    expect(await slow).toEqual({ slow: true });
    expect(await ended).toEqual({ code: 0, signal: null });
    expect(kubelet.wasKilled).toBe(false);
  });

  it('that is deleted before it is ready exits without having registered', async () => {
    const registry = await startRegistry();
    const pod = startPod(registry, 'ready');
    const { url } = (await pod.message()) as { url: string };
    const kubelet = manage(pod, url);
    expect(await kubelet.terminate()).toEqual({ code: 0, signal: null });
    expect([kubelet.wasKilled, servicesOf(registry)]).toEqual([false, []]);
    expect(registry.get(ServiceRegistry).snapshot.revision).toBe(0);
  });

  it.each([
    ['is initialised', 'init'],
    ['waits for a service', 'service'],
  ])('that is deleted while it %s exits at once without having registered', async (_what, waits) => {
    const registry = await startRegistry();
    const pod = startPod(registry, waits);
    expect(await pod.message()).toBe('starting');
    const kubelet = manage(pod, 'http://127.0.0.1:1');
    expect(await kubelet.terminate()).toEqual({ code: 0, signal: null });
    expect(kubelet.wasKilled).toBe(false);
    expect(await pod.output).toBe('');
    expect(registry.get(ServiceRegistry).snapshot.revision).toBe(0);
  });
});

async function untilGone(changes: AsyncIterable<Change>): Promise<void> {
  for await (const change of changes) if (change.type === 'remove') return;
}
