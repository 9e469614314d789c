/** The domain model: instances, leases, changes, snapshots, events, and which hosts are allowed. */
export * from './change.js';
export * from './events.js';
export * from './forbidden-host.js';
export * from './health-check/index.js';
export * from './host-policy.js';
export * from './instance.js';
export { steadyList } from './instance-list.js';
export * from './journal-entry.js';
export {
  assertServiceName,
  findServiceNamesProblems,
  INSTANCE_ID_PATTERN,
  isHost,
  isLabel,
  isPath,
  isServiceName,
  LABEL_RULE,
  SERVICE_NAME_PATTERN,
} from './field-checks.js';
export * from './process-report.js';
export * from './protocol.js';
export * from './registration.js';
export * from './rollout.js';
export { type ServiceName, type ServiceNames, type ServicePath } from './service-names.js';
export * from './snapshot.js';
export * from './split.js';
