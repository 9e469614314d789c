/** The health of services for Terminus: an indicator, and the app's `GET /health` with it. */
export {
  ServiceDiscoveryHealthIndicator,
  type ServiceHealthOptions,
  type ServiceHealthData,
} from './health-indicator.js';
export { type HealthAnswer, ServiceDiscoveryHealthController } from './health.controller.js';
export { healthControllers, healthImports } from './health-api.js';
export { findHealthCheckPath } from './health-check-path.js';
