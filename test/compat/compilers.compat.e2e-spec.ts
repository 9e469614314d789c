import { describe, expect, it } from '@jest/globals';
import { appIn } from '../support/fresh-app.js';
import { appWithAll } from './shared-apps.js';
import { MODULE_RESOLUTIONS, NEST_VERSIONS, TYPESCRIPT_VERSIONS } from './versions.js';

/** Valid code of an app. */
const RIGHT = `
import { Injectable, Module } from '@nestjs/common';
import {
  currentSignal,
  defineServiceDiscoveryOptions,
  DiscoverableService,
  type Duration,
  getServiceDiscoveryConfig,
  LoadBalancingStrategy,
  ResilientCall,
  ServiceCall,
  ServiceClient,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  type ServiceInstance,
  type ServiceMethod,
  type Strategy,
  type StrategyName,
} from 'nest-service-discovery';
import { CircuitBreaker, createLoadBalancer } from 'nest-service-discovery/core';
import { ManualClock } from 'nest-service-discovery/testing';

declare module 'nest-service-discovery' {
  interface CustomStrategies {
    last: true;
  }
}

class Last implements Strategy {
  choose<C>(candidates: readonly C[]): C {
    return candidates[candidates.length - 1]!;
  }
}

class Config {
  get<T>(name: string): T | undefined {
    return process.env[name] as T | undefined;
  }
}

const options: ServiceDiscoveryOptions = {
  ...getServiceDiscoveryConfig('production'),
  mode: 'hybrid',
  redis: { url: 'redis://127.0.0.1' },
  serviceTtl: '300s',
  heartbeatInterval: 30_000,
  timeout: '1.5s',
  attemptTimeout: (new Config().get<string>('ATTEMPT_TIMEOUT') ?? '1s') as Duration,
  hedging: { delay: 'p99' },
  circuitBreaker: { window: { calls: 100 }, recoveryTimeout: '1m' },
  retry: false,
  strategies: { last: Last },
  loadBalancing: { strategy: 'last', slowStart: { window: '30s' } },
  patterns: { web: { timeout: '2s' }, batch: { timeout: '1h', loadBalancing: LoadBalancingStrategy.P2C_EWMA } },
  healthCheck: { interval: '10s', services: { 'user-service': { path: '/ready', timeout: '500ms' } } },
  shutdown: { drainDelay: 0 },
};

@Module({ imports: [ServiceDiscoveryModule.forRoot(options)] })
export class Sync {}

@Module({
  imports: [
    ServiceDiscoveryModule.forRootAsync({
      inject: [Config],
      useFactory: async (config: Config) =>
        defineServiceDiscoveryOptions({
          mode: 'remote',
          registryUrl: config.get<string>('REGISTRY_URL') ?? 'http://registry',
          loadBalancing: (config.get<string>('STRATEGY') ?? 'random') as StrategyName,
        }),
    }),
  ],
})
export class Async {}

@ServiceClient('user-service')
export abstract class Users {
  @ServiceCall('GET /users/:id')
  readonly find!: ServiceMethod<{ name: string }, { params: { id: string } }>;
}

@Injectable()
@DiscoverableService({ name: 'order-service', tier: 'web', ttl: '1m' })
export class Orders {
  constructor(
    private readonly communicator: ServiceCommunicator,
    private readonly discovery: ServiceDiscovery,
  ) {}

  async load(zone: string | undefined, signal: AbortSignal | undefined): Promise<string> {
    const request = { path: '/users/1', signal, timeout: undefined, criteria: { zone }, headers: { 'x-a': undefined } };
    const user = await this.communicator.callServiceJson<{ name: string }>('user-service', request);
    const endpoint = await this.discovery.discoverService('user-service', { zone, strategy: 'last' });
    const [result] = await this.communicator.parallelServiceCalls([{ serviceName: 'user-service', ...request }]);
    if (result !== undefined && !result.success) throw result.error;
    const instance: ServiceInstance | undefined = endpoint?.instance;
    return user.name + (instance?.host ?? '');
  }

  @ResilientCall({ timeout: '5s', retry: { maxAttempts: 2 }, circuitBreaker: false })
  async guarded(): Promise<AbortSignal | undefined> {
    return currentSignal();
  }
}

export const breaker = new CircuitBreaker({ recoveryTimeout: '10s' }, { clock: new ManualClock() });
export const balancer = createLoadBalancer('maglev');
`;

/** A mistake per line, with the expected message of the compiler. */
const WRONG = `
import { defineServiceDiscoveryOptions, ServiceCommunicator, ServiceDiscoveryModule } from 'nest-service-discovery';
import { CircuitBreaker, createLoadBalancer } from 'nest-service-discovery/core';

const { forRoot, forRootAsync } = ServiceDiscoveryModule;
declare const communicator: ServiceCommunicator;
declare const text: string;

forRoot({ timeout: '5 seconds' }); // Type '"5 seconds"' is not assignable to type 'Duration
forRoot({ timeout: '5' }); // Type '"5"' is not assignable to type 'Duration
forRoot({ timeout: 'soon' }); // Type '"soon"' is not assignable to type 'Duration
forRoot({ serviceTtl: text }); // Type 'string' is not assignable to type 'Duration
forRoot({ circuitBreaker: { recoveryTimeout: '1min' } }); // Type '"1min"' is not assignable to type 'Duration
forRoot({ hedging: { delay: 'q95' } }); // Type '"q95"' is not assignable to type
forRoot({ mode: 'redis' }); // Type '"redis"' is not assignable to type
forRoot({ preset: 'prod' }); // Type '"prod"' is not assignable to type
forRoot({ loadBalancing: 'round-robin' }); // Type '"round-robin"' is not assignable to type 'LoadBalancing
forRoot({ loadBalancing: { strategy: 'lats' } }); // Type '"lats"' is not assignable to type 'LoadBalancingStrategyChoice
forRoot({ patterns: { web: { loadBalancing: 'leastconn' } } }); // Type '"leastconn"' is not assignable to type 'LoadBalancing
forRoot({ tiemout: '5s' }); // 'tiemout' does not exist in type 'ServiceDiscoveryOptions'
forRoot({ retry: { attempts: 3 } }); // 'attempts' does not exist in type
forRootAsync({ useFactory: () => defineServiceDiscoveryOptions({ serviceTTL: '5s' }) }); // 'serviceTTL' does not exist in type
forRootAsync({ useFactory: () => defineServiceDiscoveryOptions({ api: false }) }); // 'api' does not exist in type
forRootAsync({ useFactory: () => ({ mode: 'redis' }) }); // Type '"redis"' is not assignable to type
communicator.withOptions({ loadBalancing: 'fastest' }); // Type '"fastest"' is not assignable to type 'LoadBalancing
void communicator.callService('users', { path: '/', timeout: '5sec' }); // Type '"5sec"' is not assignable to type 'Duration
void communicator.callService('users', { path: '/', params: {} }); // 'params' does not exist in type 'ServiceCallRequest<
createLoadBalancer('round'); // '"round"' is not assignable to parameter of type 'LoadBalancing'
new CircuitBreaker({ window: '1 hour' }); // Type '"1 hour"' is not assignable to type
`;

/** The strictest settings for an app, and the oldest target. */
const COMPILER_OPTIONS = {
  target: 'es2021',
  lib: ['es2021'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  skipLibCheck: false,
  noEmit: true,
};

describe.each(TYPESCRIPT_VERSIONS)('TypeScript %s', (typescript) => {
  describe.each(NEST_VERSIONS)('Nest %i', (nest, type) => {
    it.each(Object.entries(MODULE_RESOLUTIONS))(
      'moduleResolution %s: compiles with the declarations of the package, and refuses each mistake where it stands',
      async (moduleResolution, module) => {
        const app = appIn(await appWithAll(nest, type));
        const compilerOptions = { ...COMPILER_OPTIONS, module, moduleResolution };
        await app.write({
          'right.ts': RIGHT,
          'wrong.ts': WRONG,
          'tsconfig.json': JSON.stringify({ compilerOptions, files: ['right.ts', 'wrong.ts'] }),
        });
        const { output } = await app.run(
          'node',
          `node_modules/typescript-${typescript}/bin/tsc`,
          '-p',
          'tsconfig.json',
        );
        const told = new Map<string, string>();
        let place = '';
        for (const text of output.trim().split('\n')) {
          place = /^(.+?)\((\d+),/.exec(text)?.slice(1, 3).join(':') ?? place;
          told.set(place, `${told.get(place) ?? ''}${text}\n`);
        }
        const mistakes = WRONG.split('\n').flatMap((line, index) => {
          const [, expected] = line.split(' // ');
          return expected === undefined ? [] : [{ at: `wrong.ts:${index + 1}`, expected }];
        });
        expect([...told.keys()]).toEqual(mistakes.map(({ at }) => at));
        for (const { at, expected } of mistakes) expect(told.get(at)).toContain(expected);
      },
    );
  });
});
