/** What the API answers, as the library describes it. Only types are imported, so nothing of the library reaches the page. */
import type * as Answers from '../../service-discovery/src/client/answers.js';
import type * as Insight from '../../service-discovery/src/client/insight-answers.js';
import type { InstanceStatus, JournalEntry, OperatorStatus } from '../../service-discovery/src/model/index.js';

export type { JournalEntry, OperatorStatus };
export type Status = InstanceStatus | Insight.TopologyNodeView['status'];
export type Overview = Insight.OverviewView;
export type Fault = Insight.ServiceFaultView;
export type ForcedCircuit = Insight.ForcedCircuitView;
export type Topology = Insight.TopologyView;
export type ServiceNode = Insight.TopologyNodeView;
export type CallEdge = Insight.TopologyEdgeView;
export type Calls = Insight.CallFiguresView;
export type CallSeries = Insight.CallEdgeView;
export type InstanceCalls = Insight.InstanceCallsView;
export type CallPoint = Insight.CallPointView;
export type Service = Answers.ServiceView;
export type Instance = Answers.ListedInstanceView;
export type Reason = Answers.StatusReasonView;
export type Transition = Answers.StatusTransitionView;
export type Split = Answers.SplitView;
export type Rollout = Answers.RolloutView;
export type Circuit = Answers.CircuitBreakerBody;
export type CircuitCommand = Answers.CircuitCommandView['state'];
export type Explanation = Answers.ExplanationView;

/** Whether an entry of the journal is about a service. */
export const about =
  (service: string) =>
  (entry: JournalEntry): boolean =>
    entry.service_name === service;

export interface Ejection {
  readonly service_name: string;
  readonly instance_id: string;
  /** False: outlier detection would eject it, and runs dry. */
  readonly ejected: boolean;
  /** What was measured. */
  readonly evidence?: string;
  readonly ejected_for_ms?: number;
  /** How often lately. */
  readonly ejections: number;
}

export interface Stage {
  readonly stage: string;
  readonly purpose: string;
  readonly per: string;
  readonly options: Readonly<Record<string, unknown>>;
}
