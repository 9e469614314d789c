/** What the API answers with, as JSON in snake_case. Times are ISO 8601, lengths of time seconds unless named `_ms`. */
export { joinSteps } from './call-steps.js';
export { toCircuitBreakerBody, toEjectionBody, toExplanationBody, toStageBody } from './calls-view.js';
export { toEventView } from './event-view.js';
export {
  healthWithoutData,
  instanceWithoutData,
  listWithoutData,
  readableHealth,
  serviceWithoutData,
  toAggregatedHealthView,
  toHealthCountsView,
  toHistoryView,
  toRegistryHealthView,
} from './health-view.js';
export {
  toCallEdgeView,
  toCallFiguresView,
  toInstanceCallsViews,
  toCountsView,
  toFaultViews,
  toForcedCircuitViews,
  toHeldExpiryView,
  toReadableEntry,
  toScalingView,
  toScrapeTargetView,
  toTopologyView,
} from './insight-view.js';
export { toInstanceView } from './instance-view.js';
export { type PatternView, toPatternView } from './pattern-view.js';
export { toSplitView } from './split-view.js';
export { findListed, type ListRules, toServiceListView, toServiceView } from './service-view.js';
