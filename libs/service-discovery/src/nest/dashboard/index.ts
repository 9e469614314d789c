export { ServiceDiscoveryDashboardModule } from './dashboard.module.js';
