import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type AnyOptionGroup,
  counted,
  durationText,
  isPlainObject,
  messageOf,
  reasonOfConnection,
  TransportError,
} from '../common/index.js';
import {
  addressOf,
  type EventIds,
  type EventName,
  type EventSink,
  type ServiceDiscoveryEvents,
} from '../model/index.js';
import { type CallStageDescription, type CallStageName } from './call/stage.js';
import { type AttemptOutcome, type AttemptSpan, type CallSpan, type TracedAttempt } from './call-tracer.js';
import { type CallTimes, COMMUNICATOR_OPTIONS } from './options/index.js';
import { type InstanceCallExplanation, type ServiceExplanation } from './explain-service.js';

/** Receives the text of one call of `ServiceCommunicator.trace`, of several lines without a line break at the end. */
export type PrintTrace = (text: string) => void;

/** What is known of a call as it begins. */
export interface CallStart {
  readonly service: string;
  /** Such as `GET /users/1`. */
  readonly request: string;
  readonly stages: readonly CallStageDescription[];
  readonly explanation: ServiceExplanation;
  readonly times: CallTimes;
  /** How long it has waited for the service to be registered, in milliseconds. */
  readonly waitedMs: number;
  /** The time that it has from now on, in milliseconds. */
  readonly leftMs: number;
  readonly now: () => number;
  readonly events: EventSink;
  /** Its span in a trace of OpenTelemetry, if there is one. */
  readonly span: CallSpan | undefined;
}

interface Session {
  readonly print: PrintTrace;
  calls: number;
}

/** The calls of an engine that are made within `trace()`. While none runs, a call asks for `isOn` alone. */
export class CallTraces {
  private readonly sessions = new AsyncLocalStorage<Session>();
  private running = 0;

  get isOn(): boolean {
    return this.running > 0;
  }

  async run<T>(work: () => Promise<T> | T, print: PrintTrace): Promise<T> {
    const session: Session = { print, calls: 0 };
    this.running++;
    try {
      return await this.sessions.run(session, work);
    } finally {
      // A storage that was used once makes promises of the process dearer until it is disabled.
      if (--this.running === 0) this.sessions.disable();
      if (session.calls === 0) print('trace: no call was made through this communicator or one derived from it');
    }
  }

  /** The span that prints a call; undefined if it is made outside of `trace()`. */
  begin(start: () => CallStart): CallSpan | undefined {
    const session = this.sessions.getStore();
    if (!session) return undefined;
    session.calls++;
    return new PrintedCall(start(), session.print);
  }

  /** Events with those of a fallback printed as well. */
  withFallbacks(events: EventSink): EventSink {
    const print = this.sessions.getStore()?.print;
    if (!print) return events;
    return {
      emit: (type, payload) => {
        const decision = describe(type, payload);
        if (decision !== undefined) print(`fallback: ${decision}`);
        events.emit(type, payload);
      },
    };
  }
}

/** Collects the decisions of one call, and prints them when it has ended. */
class PrintedCall implements CallSpan {
  private readonly decisions: string[] = [];
  /** The index of the decision to retry, which is made before the failed attempt has ended. */
  private retry: { readonly attempt: number; readonly at: number } | undefined;
  private readonly beganAt: number;

  constructor(
    private readonly start: CallStart,
    private readonly print: PrintTrace,
  ) {
    this.beganAt = start.now();
    if (start.waitedMs > 0) this.note(`waited ${durationText(start.waitedMs)} for the first registration`);
  }

  emit<Name extends EventName>(type: Name, payload: ServiceDiscoveryEvents[Name] & EventIds): void {
    const decision = describe(type, payload);
    if (type === 'call.retried') {
      this.retry = { attempt: (payload as ServiceDiscoveryEvents['call.retried']).attempt, at: this.decisions.length };
    }
    if (decision !== undefined) this.note(decision);
    const end = type === 'call.completed' ? (payload as ServiceDiscoveryEvents['call.completed']) : undefined;
    // Before the event is passed on, as its payload belongs to the readers of events then.
    if (end) this.print(this.text(end));
    (this.start.span ?? this.start.events).emit(type, payload);
  }

  startAttempt(traced: TracedAttempt): AttemptSpan {
    const { instance, strategy, failOpen, attempt, isHedge } = traced;
    const left = Math.max(0, Math.round(this.start.leftMs - this.elapsedMs()));
    const how = failOpen ? `${strategy}, fail open: no healthy instance can take the call` : strategy;
    this.note(
      `attempt ${attempt}${isHedge ? ', a hedge,' : ''} to ${instance.instanceId} at ${addressOf(instance)} ` +
        `by ${how}; ${durationText(left)} left`,
    );
    const inner = this.start.span?.startAttempt(traced);
    return {
      inject: (headers) => inner?.inject(headers),
      send: (send) => (inner ? inner.send(send) : send()),
      end: (outcome) => {
        const before = this.retry?.attempt === attempt + 1 ? this.retry.at : undefined;
        this.note(`attempt ${attempt} ${describeOutcome(outcome)}`, before);
        inner?.end(outcome);
      },
    };
  }

  private elapsedMs(): number {
    return this.start.now() - this.beganAt;
  }

  private note(decision: string, at = this.decisions.length): void {
    this.decisions.splice(at, 0, `+${Math.round(this.elapsedMs())} ms`.padEnd(9) + decision);
  }

  private text({ status, code, attempts }: ServiceDiscoveryEvents['call.completed']): string {
    const { service, request, stages, times, explanation } = this.start;
    const result = code ?? (status === undefined ? 'answered' : String(status));
    return [
      `${request} of ${service}: ${result} after ${counted(attempts, 'attempt')}, ${Math.round(this.elapsedMs())} ms`,
      ...section(
        'settings',
        stages.map((one) => describeStage(one, times)),
      ),
      ...section('instances', explanation.instances.map(describeInstance)),
      ...section('decisions', this.decisions),
    ].join('\n');
  }
}

function section(title: string, lines: readonly string[]): string[] {
  return [`  ${title}`, ...(lines.length === 0 ? ['none'] : lines).map((line) => `    ${line}`)];
}

function describeStage({ stage, options }: CallStageDescription, { timeoutMs, attemptTimeoutMs }: CallTimes): string {
  // Those of the call, in place of the pipeline's.
  const times: Readonly<Record<string, unknown>> = { timeoutMs, attemptTimeoutMs };
  const settings = Object.entries(options).map(([name, value]): [string, unknown] => [name, times[name] ?? value]);
  return `${stage.padEnd(24)}${describeSettings(settings, optionsOf(stage))}`.trimEnd();
}

type Options = AnyOptionGroup['options'];

/** What the settings of a stage are: the options that they come from. */
function optionsOf(stage: CallStageName): Options | undefined {
  const name = stage.replace(/^service_/, '').replace(/_(.)/g, (_, first: string) => first.toUpperCase());
  return (COMMUNICATOR_OPTIONS.options as Options)[name]?.inner?.options;
}

/** Without what is off. */
function describeSettings(settings: readonly [string, unknown][], known: Options | undefined): string {
  return settings
    .filter(([, value]) => value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name.replace(/Ms$/, '')} ${describeSetting(value, known?.[name], name.endsWith('Ms'))}`)
    .join(', ');
}

function describeSetting(value: unknown, option: Options[string] | undefined, isMs: boolean): string {
  if (typeof value === 'number' && (isMs || option?.kind === 'duration')) return durationText(value);
  if (isPlainObject(value)) return `{ ${describeSettings(Object.entries(value), option?.inner?.options)} }`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function describeInstance({ instanceId, status, taken, stage, reason, circuit }: InstanceCallExplanation): string {
  const why = taken ? 'may take the call' : `skipped by the filter ${stage}: ${reason}`;
  const state = circuit === undefined || circuit.state === 'closed' ? '' : `, circuit ${circuit.state}`;
  return `${instanceId.padEnd(24)}${status}${state}; ${why}`;
}

function describeOutcome({ status, error }: AttemptOutcome): string {
  const answered = status === undefined ? '' : `was answered ${status}`;
  if (error === undefined) return answered || 'was given up';
  // The message of the error would repeat the request and the address.
  const isBelowHttp = error instanceof TransportError && error.code === 'TRANSPORT_FAILURE';
  return `${answered && `${answered}, and `}failed: ${isBelowHttp ? reasonOfConnection(error) : messageOf(error)}`;
}

/** The decisions that events tell of, but for those of {@link PrintedCall.startAttempt}. */
const DECISIONS: { readonly [Name in EventName]?: (event: ServiceDiscoveryEvents[Name]) => string } = {
  'call.passed_over': ({ instanceId, reason }) => `passes over ${instanceId}: ${reason}`,
  'call.refused': ({ stage, code, retryAfterMs }) =>
    `refused by ${stage}: ${code}${retryAfterMs === undefined ? '' : `; another call may succeed in ${durationText(retryAfterMs)}`}`,
  'call.retried': ({ attempt, delayMs, reason }) => `retries with attempt ${attempt} ${after(delayMs)}: ${reason}`,
  'call.retry_budget_exhausted': ({ reason }) => `does not retry, since the retry budget is exhausted: ${reason}`,
  'call.hedged': ({ attempt, afterMs }) => `hedges with attempt ${attempt}, ${durationText(afterMs)} after the last`,
  'call.failed_over': ({ from, to, reason }) => `fails over from ${from} to ${to}: ${reason}`,
  'call.answered_stale': ({ ageMs, reason }) =>
    `answers with the last good response, ${durationText(ageMs)} old: ${reason}`,
};

function describe<Name extends EventName>(type: Name, payload: ServiceDiscoveryEvents[Name]): string | undefined {
  return DECISIONS[type]?.(payload);
}

function after(delayMs: number): string {
  return delayMs === 0 ? 'at once' : `after ${durationText(delayMs)}`;
}
