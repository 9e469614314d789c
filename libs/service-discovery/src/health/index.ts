/** Health of instances: the probes, the monitor that schedules them, and the aggregation of results. */
export {
  HEALTH_AGGREGATOR_OPTIONS,
  HealthAggregator,
  type AggregatedHealth,
  type AggregatedRegistry,
  type AggregatedStatus,
  type Fault,
  type HealthAggregatorDeps,
  type HealthAggregatorOptions,
  type HealthChange,
  type HealthCounts,
  type HealthSelection,
  type HealthSummary,
  type InstanceHealth,
  type OverallFindings,
  type OverallRule,
  type OverallStatusRule,
  type RegistryHealth,
  type ServiceHealth,
  type ServiceStatusChange,
} from './aggregator/index.js';
export { type StatusTransition } from './status-history.js';
export {
  mergedStatus,
  NO_FINDINGS,
  type PassiveFinding,
  type PassiveHealth,
  reasonsOf,
  type StatusContext,
  type StatusReason,
  type StatusSource,
} from './status-merge.js';
export { type CheckPlan, type CheckPlanner, type CheckSchedule, type CronTimes } from './check-plan.js';
export { CheckShare, type CheckShareDeps } from './monitor/check-share.js';
export { FLAPPING_OPTIONS, type FlappingOptions } from './monitor/status-thresholds.js';
export { runProbe } from './monitor/run-probe.js';
export { HealthMonitor, type HealthMonitorDeps, type MonitoredRegistry } from './monitor/health-monitor.js';
export { HttpProbe, type HttpProbeSettings } from './probes/http-probe.js';
export {
  HEALTH_CHECK_OPTIONS,
  resolveHealthCheckOptions,
  type HealthCheckOptions,
  type ResolvedHealthCheckOptions,
} from './options.js';
export { type AnswerBody } from './probes/http-exchange.js';
export { type BodyPredicate } from './probes/body-condition.js';
export { type CheckPlannerDeps, planChecks } from './plan-checks.js';
export { CustomProbe, type CustomCheck } from './probes/custom-probe.js';
export { GrpcProbe, type GrpcProbeSettings } from './probes/grpc-probe.js';
export { type Probe, type ProbeResult } from './probes/probe.js';
export { type CheckSettings, type ServiceCheckOptions } from './service-checks.js';
export { type ConnectionDeps, TcpProbe, type TcpProbeSettings } from './probes/tcp-probe.js';
