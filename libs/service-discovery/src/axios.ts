/** For apps with `@nestjs/axios` and `axios`, which nothing else of the package loads by itself. */
export * from './nest/axios/index.js';
export { AxiosTransport } from './nest/axios-transport/index.js';
export { type AxiosTransportOptions } from './nest/options/index.js';
