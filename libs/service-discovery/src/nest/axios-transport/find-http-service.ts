import { type HttpService } from '@nestjs/axios';
import { type ModulesContainer } from '@nestjs/core';
import { InvalidConfigurationError, messageOf } from '../../common/index.js';
import { isDiscoveryAdapter } from './discovery-adapters.js';

/**
 * The app's own `HttpService`, the first one where there are several. That of `DiscoveryHttpModule` does not count: it
 * sends through the communicator, which would send through it again.
 * @throws InvalidConfigurationError where there is none, or `@nestjs/axios` cannot be loaded
 */
export async function findHttpService(modules: ModulesContainer): Promise<HttpService> {
  const token = await httpServiceClass();
  for (const module of modules.values()) {
    const { instance } = module.providers.get(token) ?? {};
    if (instance instanceof token && !isDiscoveryAdapter(instance.axiosRef.defaults.adapter)) return instance;
  }
  throw refused('"undici", or an app that imports HttpModule of @nestjs/axios');
}

async function httpServiceClass(): Promise<typeof HttpService> {
  try {
    // Loaded here, by its literal name and within `try`: esbuild and webpack then bundle apps that do not have it.
    return (await import('@nestjs/axios')).HttpService;
  } catch (error) {
    throw refused(
      `"undici", or an app that has @nestjs/axios (npm install @nestjs/axios axios, with Nest 11 @nestjs/axios@4), ` +
        `which failed to load: ${messageOf(error)}`,
    );
  }
}

function refused(expected: string): InvalidConfigurationError {
  return new InvalidConfigurationError([{ path: 'transport', value: 'axios', expected }]);
}
