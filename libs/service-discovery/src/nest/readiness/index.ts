/** Whether this process may get traffic, as it says itself. */
export { type ReadinessCheck, reasonsOf, ServiceReadiness } from './service-readiness.js';
