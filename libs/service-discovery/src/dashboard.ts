/** The dashboard, which only apps that import this entry point load. */
export { ServiceDiscoveryDashboardModule } from './nest/dashboard/index.js';
