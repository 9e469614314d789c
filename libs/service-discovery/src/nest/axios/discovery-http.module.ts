import { HttpService } from '@nestjs/axios';
import { type DynamicModule, type FactoryProvider, Module, type ModuleMetadata, type Provider } from '@nestjs/common';
import axios, { type CreateAxiosDefaults } from 'axios';
import { InvalidConfigurationError } from '../../common/index.js';
import { ServiceCommunicator } from '../../communicator/index.js';
import { findServiceNamesProblems } from '../../model/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { discoveryAdapter, HTTPS_AGENT_HINT } from './discovery-adapter.js';
import { DiscoveryHttpService } from './discovery-http-service.js';

/** Axios's defaults, but for the adapter, and for an `httpsAgent`: services are called by `transport.tls`. */
export interface DiscoveryHttpOptions extends Omit<CreateAxiosDefaults, 'adapter' | 'httpsAgent'> {
  /**
   * Names that are services although they could be hosts: those with a dot, `localhost`, numbers. All others are services
   * anyway. Otherwise a registration could take over a URL such as `https://api.stripe.com`, with its credentials.
   * @default none
   */
  services?: readonly string[];
}

/** Defaults that are made when the app starts. */
export interface DiscoveryHttpAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** Dependencies of the factory. */
  inject?: FactoryProvider['inject'];
  useFactory: (...args: never[]) => DiscoveryHttpOptions | Promise<DiscoveryHttpOptions>;
}

const DISCOVERY_HTTP_OPTIONS = Symbol('nest-service-discovery:http-options');

/**
 * In place of `HttpModule` of `@nestjs/axios`: an `HttpService` that finds services by name, so that
 * `httpService.get('http://user-service/users/1')` is discovered, balanced and retried, with interceptors working.
 * A URL with a port, `http://user-service:3000/users/1`, finds a service that is registered under that name, at the ports of
 * its instances. An `https:` URL goes to instances that registered with `https`, and to no others. A host with a dot, `localhost` or
 * a number is a service only if `services` lists it; such URLs, and all others, go to their hosts as before.
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
  { services = [], ...options }: DiscoveryHttpOptions & { readonly httpsAgent?: unknown },
  communicator: ServiceCommunicator,
  registry: ServiceRegistry,
): HttpService {
  const problems = findServiceNamesProblems(services, 'DiscoveryHttpModule services');
  if (options.httpsAgent) {
    problems.push({ path: 'DiscoveryHttpModule httpsAgent', value: '***', expected: `none, as ${HTTPS_AGENT_HINT}` });
  }
  if (problems.length > 0) throw new InvalidConfigurationError(problems);
  const adapter = discoveryAdapter(communicator, registry, new Set(services));
  return new DiscoveryHttpService(axios.create({ ...options, adapter }));
}
