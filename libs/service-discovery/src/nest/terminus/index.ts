/** The health of services for Terminus: an indicator, and the app's `GET /health` with it. */
export {
  ServiceDiscoveryHealthIndicator,
  type ServiceHealthOptions,
  type ServiceHealthData,
} from './health-indicator.js';
export { type HealthAnswer, ServiceDiscoveryHealthController } from './health.controller.js';
export { healthControllers } from './health-api.js';
export { HealthChecks } from './health-checks.js';
export { HealthIndicators } from './health-indicators.js';
export { appControllerAt, isHealthController } from './health-controllers.js';
export { ServiceDiscoveryLivenessController, ServiceDiscoveryReadinessController } from './probe.controllers.js';
export { findHealthCheckPath, ownerOfRoute, type RouteOwner } from './health-check-path.js';
