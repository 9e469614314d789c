/** `HttpService` of `@nestjs/axios`: as a way in, which finds services by name, and as a transport. */
export { AxiosTransport } from './axios-transport.js';
export {
  type DiscoveryHttpAsyncOptions,
  DiscoveryHttpModule,
  type DiscoveryHttpOptions,
} from './discovery-http.module.js';
export { findHttpService } from './find-http-service.js';
