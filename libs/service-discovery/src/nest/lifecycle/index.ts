/** The life of the app: registers when the server listens, and leaves in order when it ends. */
export { DepartureModule } from './departure.module.js';
export { ServiceDiscoveryLifecycle } from './lifecycle.js';
export { STEP_MS } from './leaving.js';
