/** Health check settings of an instance: fields, limits, and their spelling in code and over REST. */
export {
  CHECK_RANGES,
  CODE_FORM,
  type HealthCheckBounds,
  type HealthCheckForm,
  overlap,
  readStatuses,
  toRanges,
  WIRE_FORM,
} from './fields.js';
export {
  findHealthCheckProblems,
  HEALTH_CHECK_FIELD_NAMES,
  readHealthCheck,
  recallHealthCheck,
  writeHealthCheck,
} from './read.js';
export {
  type BodyCondition,
  type CheckType,
  type HealthCheckSpec,
  type JsonScalar,
  SAFE_METHODS,
  type StatusRange,
} from './spec.js';
