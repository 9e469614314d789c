/** Lifecycle of the app: registers when the server listens, and shuts down gracefully. */
export { ShutdownStartModule } from './shutdown-start.module.js';
export { ServiceDiscoveryLifecycle } from './lifecycle.js';
export { STEP_MS } from './graceful-shutdown.js';
