import 'reflect-metadata';
import { type Server } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { type INestApplication, Module, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { request } from 'undici';
import { type Clock, seededRandom } from '../../libs/service-discovery/src/common/index.js';
import { NearNames, ServiceCommunicator } from '../../libs/service-discovery/src/communicator/index.js';
import {
  type CheckShare,
  HealthAggregator,
  type HealthCheckOptions,
  HealthMonitor,
  planChecks,
  resolveHealthCheckOptions,
} from '../../libs/service-discovery/src/health/index.js';
import { HostPolicy } from '../../libs/service-discovery/src/model/index.js';
import {
  CallFigures,
  SplitFigures,
  DiscoveryMetrics,
  EventBus,
  Fleet,
  Journal,
} from '../../libs/service-discovery/src/observability/index.js';
import { ServiceRegistry, type ServiceRegistryOptions } from '../../libs/service-discovery/src/registry/index.js';
import { MemoryRegistryStore, type RegistryStore } from '../../libs/service-discovery/src/store/index.js';
import { FakeTransport, ManualClock } from '../../libs/service-discovery/src/testing/index.js';
import { ResiliencePolicies } from '../../libs/service-discovery/src/nest/decorators/index.js';
import { LeaseChoice } from '../../libs/service-discovery/src/nest/lease-choice.js';
import { RegistryPlace } from '../../libs/service-discovery/src/nest/registry-place.js';
import { ServiceDiscoveryExplorer } from '../../libs/service-discovery/src/nest/explorer.js';
import { ServiceReadiness } from '../../libs/service-discovery/src/nest/readiness/index.js';
import {
  type ApiOptions,
  API_OPTION_GROUP,
  restControllers,
  restProviders,
} from '../../libs/service-discovery/src/nest/rest/index.js';
import { type ErrorBody, type ListedInstanceView } from '../../libs/service-discovery/src/nest/rest/rest-views.js';
import { ServiceDiscovery } from '../../libs/service-discovery/src/nest/service-discovery.js';
import {
  CLOCK,
  HOST_POLICY,
  JOURNAL_WRITER,
  OPTIONS_IN_FORCE,
  RANDOM,
} from '../../libs/service-discovery/src/nest/tokens.js';

/** The service that the process of the API registered, as far as its journal and its call figures know. */
const PROCESS_SERVICE = 'shop';

export const PLATFORMS = ['express', 'fastify'] as const;
export type Platform = (typeof PLATFORMS)[number];

export interface RestAppOptions {
  readonly api?: Partial<ApiOptions>;
  /** Runs before initialization: prefixes, global pipes, filters. */
  readonly configure?: (app: INestApplication) => void;
  readonly providers?: Provider[];
  readonly controllers?: Type[];
  /** The peer address that the server sees. @default the real one, 127.0.0.1 */
  readonly peer?: string;
  /** @default a free one */
  readonly port?: number;
  /** @default one in memory, on the app's clock */
  readonly store?: RegistryStore;
  /** How long the start waits for the store. @default 5 s */
  readonly startTimeout?: number;
  /** @default the defaults */
  readonly registryOptions?: Partial<ServiceRegistryOptions>;
  /** @default 'memory_only' */
  readonly mode?: 'memory_only' | 'redis_backed' | 'remote';
  /**
   * How instances are checked, by a monitor that starts at once. @default no checks run, although they are enabled
   * every 5 s
   */
  readonly checks?: Partial<HealthCheckOptions>;
  /** Which of them this process checks. @default all */
  readonly share?: (clock: Clock) => CheckShare;
  /** The clock of the store and the API; a `ManualClock` unless given. */
  readonly clock?: Clock;
}

/** Fields that tests read from the JSON of answers; each answer has some of them. */
interface AnswerBody extends ServiceBody, Pick<ErrorBody, 'error'> {
  readonly lease: string;
  readonly instance_id: string;
  readonly generation: number;
  readonly services: readonly ServiceBody[];
  readonly total: number;
  readonly patterns: Readonly<Record<string, unknown>>;
}

interface ServiceBody {
  readonly service_name: string;
  readonly base_url: string;
  readonly status: string;
  readonly instances: readonly ListedInstanceView[];
  readonly total_instances: number;
}

/** An answer over a real socket. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The parsed JSON; undefined if there is none. */
  readonly body: AnswerBody;
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent unchanged. */
  readonly raw?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
}

/** The REST API of a registry in memory, listening. */
export interface RestApp {
  readonly app: INestApplication;
  readonly origin: string;
  readonly port: number;
  /** Advances the registry's time. */
  readonly clock: ManualClock;
  readonly registry: ServiceRegistry;
  readonly communicator: ServiceCommunicator;
  readonly transport: FakeTransport;
  readonly bus: EventBus;
  /** @param path below the API's own path, with a leading slash */
  send(method: string, path: string, options?: SendOptions): Promise<Answer>;
  close(): Promise<void>;
}

export async function startRestApp(platform: Platform, options: RestAppOptions = {}): Promise<RestApp> {
  const clock = (options.clock ?? new ManualClock()) as ManualClock;
  const random = seededRandom(1);
  const bus = new EventBus({ clock });
  const store = options.store ?? new MemoryRegistryStore({ clock });
  const settings = { startTimeout: options.startTimeout, ...options.registryOptions };
  const registry = new ServiceRegistry(store, settings, { clock, random, events: bus });
  const transport = new FakeTransport();
  const communicator = new ServiceCommunicator({ registry, transport, clock, random, events: bus });
  const checks = resolveHealthCheckOptions(options.checks ?? { interval: '5s', timeout: '1s' });
  const share = options.share?.(clock);
  const { mode = 'memory_only' } = options;
  const monitor =
    mode === 'remote' ? null : new HealthMonitor(registry, planChecks(checks), checks, { clock, random, share });
  const metrics = new DiscoveryMetrics(bus, registry, {}, { load: () => communicator.load() });
  const writer = { process: 'host:1', service: () => PROCESS_SERVICE, tag: 'a' };
  const journal = new Journal(bus, writer, {}, clock);
  const figures = new CallFigures(bus, writer.service, clock);
  const splits = new SplitFigures(bus, (service) => registry.splitOf(service));

  @Module({
    controllers: [...restControllers(options.api), ...(options.controllers ?? [])],
    providers: [
      { provide: CLOCK, useValue: clock },
      { provide: RANDOM, useValue: random },
      {
        provide: OPTIONS_IN_FORCE,
        useValue: { mode, communicator: {}, registry: settings, api: API_OPTION_GROUP.resolve(options.api) },
      },
      { provide: HOST_POLICY, useValue: new HostPolicy(options.api?.allowedHosts) },
      { provide: EventBus, useValue: bus },
      { provide: ServiceRegistry, useValue: registry },
      { provide: ServiceCommunicator, useValue: communicator },
      { provide: DiscoveryMetrics, useValue: metrics },
      { provide: Journal, useValue: journal },
      { provide: CallFigures, useValue: figures },
      { provide: SplitFigures, useValue: splits },
      { provide: Fleet, useValue: new Fleet({ journal, figures, splits, reports: true, writer, clock, random }) },
      { provide: JOURNAL_WRITER, useValue: writer },
      { provide: HealthAggregator, useValue: new HealthAggregator(registry, { clock }) },
      { provide: ResiliencePolicies, useValue: new ResiliencePolicies({ events: bus, clock, random }) },
      { provide: HealthMonitor, useValue: monitor },
      { provide: RegistryPlace, useValue: { notFoundHint: () => '' } },
      { provide: NearNames, useValue: new NearNames(() => registry.snapshot.services.keys(), clock) },
      LeaseChoice,
      ServiceReadiness,
      ServiceDiscoveryExplorer,
      ServiceDiscovery,
      ...restProviders(options.api),
      ...(options.providers ?? []),
    ],
  })
  class RestModule {}

  await registry.start();
  if (options.checks) monitor?.start();
  const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
  const app = await NestFactory.create(RestModule, adapter, { logger: false });
  options.configure?.(app);
  await app.listen(options.port ?? 0, '127.0.0.1');
  const server = app.getHttpServer() as Server;
  const { port } = server.address() as AddressInfo;
  if (options.peer !== undefined) {
    // Not every machine has an address besides loopback.
    server.prependListener('connection', (socket: Socket) =>
      Object.defineProperty(socket, 'remoteAddress', { value: options.peer }),
    );
  }
  const origin = `http://127.0.0.1:${port}`;
  return {
    app,
    origin,
    port,
    clock,
    registry,
    communicator,
    transport,
    bus,
    send: (method, path, sent) => send(`${origin}/service-discovery${path}`, method, sent),
    close: async () => {
      await app.close();
      await monitor?.close();
      await communicator.close();
      await registry.close();
      await store.close();
    },
  };
}

/** Sends one request on a new connection. */
export async function send(url: string, method: string, { headers, raw, json }: SendOptions = {}): Promise<Answer> {
  const body = raw ?? (json === undefined ? undefined : JSON.stringify(json));
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await request(url, { method, body, headers: { ...type, ...headers }, reset: true });
  const text = await response.body.text();
  return { status: response.statusCode, headers: response.headers, text, body: parse(text) as AnswerBody };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
