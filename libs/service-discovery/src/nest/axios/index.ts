/** An `HttpService` of `@nestjs/axios` that finds services by name. */
export {
  type DiscoveryHttpAsyncOptions,
  DiscoveryHttpModule,
  type DiscoveryHttpOptions,
} from './discovery-http.module.js';
