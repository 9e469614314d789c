/** The transport over the app's own `HttpService`. It loads `@nestjs/axios` where an app chooses it, and not before. */
export { AxiosTransport } from './axios-transport.js';
export { markDiscoveryAdapter } from './discovery-adapters.js';
export { findHttpService } from './find-http-service.js';
