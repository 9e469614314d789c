/** Whether this process may receive traffic, by its own account. */
export { type ReadinessCheck, reasonsOf, ServiceReadiness } from './service-readiness.js';
