/** The life of the app: registers when the server listens, and leaves in order when it ends. */
export { ShutdownStartModule } from './shutdown-start.module.js';
export { ServiceDiscoveryLifecycle } from './lifecycle.js';
export { STEP_MS } from './graceful-shutdown.js';
