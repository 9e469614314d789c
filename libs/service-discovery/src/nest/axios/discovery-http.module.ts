import { HttpService } from '@nestjs/axios';
import { type DynamicModule, type FactoryProvider, Module, type ModuleMetadata, type Provider } from '@nestjs/common';
import axios, { type CreateAxiosDefaults } from 'axios';
import { InvalidConfigurationError } from '../../common/index.js';
import { ServiceCommunicator } from '../../communicator/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { discoveryAdapter, HTTPS_AGENT_HINT } from './discovery-adapter.js';
import { DiscoveryHttpService } from './discovery-http-service.js';

/** Axios's defaults, but for the adapter, and for an `httpsAgent`: services are called by `transport.tls`. */
export type DiscoveryHttpOptions = Omit<CreateAxiosDefaults, 'adapter' | 'httpsAgent'>;

/** Defaults that are made when the app starts. */
export interface DiscoveryHttpAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** What the factory takes. */
  inject?: FactoryProvider['inject'];
  useFactory: (...args: never[]) => DiscoveryHttpOptions | Promise<DiscoveryHttpOptions>;
}

const DISCOVERY_HTTP_OPTIONS = Symbol('nest-service-discovery:http-options');

/**
 * In place of `HttpModule` of `@nestjs/axios`: an `HttpService` that finds services by name, so that
 * `httpService.get('http://user-service/users/1')` is discovered, balanced and retried, with interceptors working.
 * A URL with a port, `http://user-service:3000/users/1`, finds a service that is registered under that name, at the ports of
 * its instances. Other URLs go to their hosts as before.
 */
@Module({
  providers: [
    { provide: DISCOVERY_HTTP_OPTIONS, useValue: {} },
    {
      provide: HttpService,
      inject: [DISCOVERY_HTTP_OPTIONS, ServiceCommunicator, ServiceRegistry],
      useFactory: createHttpService,
    },
  ],
  exports: [HttpService],
})
export class DiscoveryHttpModule {
  /** @param options such as `baseURL: 'http://user-service'`, headers or a timeout */
  static register(options: DiscoveryHttpOptions = {}): DynamicModule {
    return withOptions({ provide: DISCOVERY_HTTP_OPTIONS, useValue: options });
  }

  /** The same with options from a factory. */
  static registerAsync({ imports, inject, useFactory }: DiscoveryHttpAsyncOptions): DynamicModule {
    return { ...withOptions({ provide: DISCOVERY_HTTP_OPTIONS, inject, useFactory }), imports };
  }
}

function withOptions(options: Provider): DynamicModule {
  return { module: DiscoveryHttpModule, providers: [options] };
}

function createHttpService(
  options: DiscoveryHttpOptions,
  communicator: ServiceCommunicator,
  registry: ServiceRegistry,
): HttpService {
  if ((options as { readonly httpsAgent?: unknown }).httpsAgent) {
    const expected = `none, as ${HTTPS_AGENT_HINT}`;
    throw new InvalidConfigurationError([{ path: 'DiscoveryHttpModule httpsAgent', value: '***', expected }]);
  }
  return new DiscoveryHttpService(axios.create({ ...options, adapter: discoveryAdapter(communicator, registry) }));
}
