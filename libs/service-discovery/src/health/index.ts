/** How instances are: probes that ask them, the monitor that decides who is asked when, and the sum of the answers. */
export {
  HealthAggregator,
  type AggregatedHealth,
  type AggregatedRegistry,
  type AggregatedStatus,
  type HealthCounts,
  type HealthSelection,
  type HealthSummary,
  type InstanceHealth,
  type RegistryHealth,
  type ServiceHealth,
} from './aggregator/index.js';
export { type CheckPlan, type CheckPlanner, type CheckSchedule } from './check-plan.js';
export { CheckShare, type CheckShareDeps } from './check-share.js';
export { HealthMonitor, type HealthMonitorDeps, type MonitoredRegistry } from './health-monitor.js';
export { HttpProbe } from './probes/http-probe.js';
export {
  DEFAULT_HEALTH_CHECK_OPTIONS,
  HEALTH_CHECK_OPTIONS_WITHOUT_DEFAULT,
  resolveHealthCheckOptions,
  type HealthCheckOptions,
  type ResolvedHealthCheckOptions,
  type StatusRange,
} from './options.js';
export { type ConnectionDeps } from './probes/connection.js';
export { planChecks } from './plan-checks.js';
export { type Probe, type ProbeResult } from './probes/probe.js';
export { TcpProbe } from './probes/tcp-probe.js';
