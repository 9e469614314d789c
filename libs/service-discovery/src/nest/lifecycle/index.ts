/** The life of the app: registers when the server listens, and leaves in order when it ends. */
export { ServiceDiscoveryLifecycle } from './lifecycle.js';
