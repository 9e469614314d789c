import { HttpService } from '@nestjs/axios';
import { type ModulesContainer } from '@nestjs/core';
import { InvalidConfigurationError } from '../../common/index.js';
import { isDiscoveryAdapter } from './discovery-adapter.js';

/**
 * The app's own `HttpService`, the first one where there are several. That of `DiscoveryHttpModule` does not count: it
 * sends through the communicator, which would send through it again.
 * @throws InvalidConfigurationError where there is none
 */
export function findHttpService(modules: ModulesContainer): HttpService {
  for (const module of modules.values()) {
    for (const { token, instance } of module.providers.values()) {
      if (
        token === HttpService &&
        instance instanceof HttpService &&
        !isDiscoveryAdapter(instance.axiosRef.defaults.adapter)
      ) {
        return instance;
      }
    }
  }
  const expected = '"undici", or an app that imports HttpModule of @nestjs/axios';
  throw new InvalidConfigurationError([{ path: 'transport', value: 'axios', expected }]);
}
