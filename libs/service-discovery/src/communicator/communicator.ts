import { assertOptions, OptionValidator } from '../common/index.js';
import { type EventSink, type InstanceKey, type ServiceName, type ServicePath, type Tier } from '../model/index.js';
import { CallEngine, type CallTerms, type CommunicatorDependencies } from './call-engine.js';
import { type ResponseUse } from './call/call.js';
import { checkCall } from './check-request.js';
import { callWithFallback, type FallbackRequest, type FallbackResult } from './fallback-call.js';
import {
  type CallSettings,
  type CommunicatorOptions,
  mergeOptions,
  type OptionsContext,
  toSettings,
  validateCommunicatorOptions,
} from './options/index.js';
import { callInParallel, type ParallelCall, type ParallelOptions, type ParallelResult } from './parallel-calls.js';
import {
  type CommunicationPattern,
  describePatterns,
  patternNames,
  type PatternOverrides,
  type Patterns,
  resolvePatterns,
} from './patterns.js';
import { readJson } from './read-json.js';
import {
  kindOf,
  type ServiceCallRequest,
  type ServiceCallResponse,
  type ServiceCallTo,
  type ServiceNameOfAnyPath,
} from './request.js';
import { rejected } from './call/run-call.js';
import { type CallStageDescription } from './call/stage.js';
import { type PrintTrace } from './call-trace.js';
import { timesFor } from './call-times.js';
import { CIRCUIT_COMMANDS, type CircuitBreakerView, type CircuitCommand } from './channel/breakers.js';
import { type EjectionView } from './channel/outlier-detectors.js';
import { type ServiceLoad } from './channel/service-channel.js';
import { type UnreachableView } from './channel/unreachable-instances.js';
import { type ServiceExplanation } from './explain-service.js';
import {
  type AnswerSchema,
  checkSchema,
  type DtoClass,
  type StandardSchema,
  validateAnswer,
} from './validate-answer.js';

/** Settings of every call unless a pattern or `withOptions` overrides them. */
export interface CommunicatorDefaults extends CommunicatorOptions {
  /**
   * Overrides of tier patterns, value by value, and custom patterns: `{ batch: { timeout: '5m' } }`.
   * @default `web`, `app`, `data`, `ml`, `monitoring` as they are
   */
  patterns?: PatternOverrides;
}

const AS_IT_IS: ResponseUse<ServiceCallResponse> = { consume: (response) => response };
const AS_JSON: ResponseUse<unknown> = { consume: readJson, accept: 'application/json' };

/** What a derived communicator takes over from its parent. */
interface Derivation {
  readonly overrides: CommunicatorOptions;
  readonly engine: CallEngine;
  readonly patterns: Patterns;
}

/**
 * Calls services by name: picks an instance, and fails over to another one.
 *
 * Settings are merged in this order, later ones override: the defaults, the pattern (`options.pattern`, else the tier
 * that the service declares), the options of `withOptions`, the request.
 */
export class ServiceCommunicator {
  private readonly patterns: Patterns;
  /** By pattern. Settings are resolved once rather than at every call. */
  private readonly settings = new Map<string | undefined, CallSettings>();
  /** The same for services that are listed with `mesh`, by its value. */
  private readonly meshSettings = {
    true: new Map<string | undefined, CallSettings>(),
    false: new Map<string | undefined, CallSettings>(),
  };

  private readonly overrides: CommunicatorOptions;
  private readonly engine: CallEngine;

  /**
   * @param derivation for `withOptions` only
   * @throws InvalidConfigurationError listing every wrong option, and a missing registry or transport
   */
  constructor(
    private readonly deps: CommunicatorDependencies,
    private readonly defaults: CommunicatorDefaults = {},
    derivation?: Derivation,
  ) {
    this.overrides = derivation?.overrides ?? {};
    this.engine = derivation?.engine ?? new CallEngine(checkDependencies(deps));
    this.patterns = derivation?.patterns ?? checkDefaults(defaults, deps);
  }

  /**
   * Calls a service and returns the last response received, even one with an error status. In the first seconds of the
   * process, waits for a service that has never been registered, see {@link CommunicatorOptions.waitForFirst}. Read or
   * dump the body: until then its connection stays occupied.
   * @throws ServiceDiscoveryError if no response arrived: `SERVICE_NOT_FOUND`, `NO_AVAILABLE_INSTANCE`, `CIRCUIT_OPEN`,
   * `DEADLINE_EXCEEDED`, `ATTEMPT_TIMEOUT`, `TRANSPORT_FAILURE`, `RETRY_BUDGET_EXHAUSTED`, `BULKHEAD_FULL`,
   * `RATE_LIMITED`, `THROTTLED`, `CONCURRENCY_LIMITED`, `REGISTRY_UNAVAILABLE`, `UNSUPPORTED_PROTOCOL`,
   * `INVALID_REQUEST`; the signal's reason if the caller aborts
   */
  callService<Name extends ServiceName>(
    service: Name,
    request: ServiceCallRequest<ServicePath<Name>>,
  ): Promise<ServiceCallResponse> {
    return this.call(service, request, AS_IT_IS);
  }

  /**
   * Calls a service and parses the JSON body of the response; undefined if there is no body.
   * @throws what `callService` throws; `ResponseStatusError`, including the body, for a status of 400 or above;
   * `RESPONSE_BODY` if the body is not JSON
   */
  callServiceJson<T = unknown>(...call: ServiceCallTo): Promise<T>;
  callServiceJson<T = unknown>(service: ServiceNameOfAnyPath, request: ServiceCallRequest): Promise<T>;
  /**
   * The same, and validates the answer.
   * @param schema a class with decorators of class-validator, of which the result is an instance; or a Standard Schema, as
   * zod and valibot make them, whose output is the result
   * @throws also ResponseInvalidError `RESPONSE_INVALID`, which is not retried and counts for no circuit breaker
   */
  callServiceJson<T extends object, Name extends ServiceName = ServiceName>(
    service: Name,
    request: ServiceCallRequest<ServicePath<Name>>,
    schema: DtoClass<T>,
  ): Promise<T>;
  callServiceJson<T, Name extends ServiceName = ServiceName>(
    service: Name,
    request: ServiceCallRequest<ServicePath<Name>>,
    schema: StandardSchema<T>,
  ): Promise<T>;
  /** The same without a schema, for a name that is known only at run time. */
  callServiceJson<Name extends ServiceName>(
    service: Name,
    request: ServiceCallRequest<ServicePath<Name>>,
  ): Promise<unknown>;
  callServiceJson(service: ServiceName, request: ServiceCallRequest, schema?: AnswerSchema): Promise<unknown> {
    if (schema !== undefined) return this.callAndValidate(service, request, schema);
    return this.call(service, request, AS_JSON);
  }

  /**
   * Makes several calls concurrently and parses their JSON. Does not reject when calls fail: each result reports the
   * outcome of its call, in the order of the calls.
   * @throws ServiceDiscoveryError `INVALID_REQUEST` if `calls` is not a list; InvalidConfigurationError listing every
   * wrong option
   */
  async parallelServiceCalls<T = unknown>(
    calls: readonly ParallelCall[],
    options: ParallelOptions = {},
  ): Promise<ParallelResult<T>[]> {
    return callInParallel(calls, options, (service, request) => this.callServiceJson<T>(service, request));
  }

  /**
   * Calls the primary service and parses the JSON; if it fails, calls the fallback service or the fallback function.
   * Each service gets the whole timeout. Headers with credentials are not sent to the fallback service.
   * @throws FallbackFailedError if both services fail; the primary's error if a fallback would not help; what the
   * function throws; ServiceDiscoveryError `INVALID_REQUEST` for an invalid request, before anything is sent
   */
  async callServiceWithFallback<T = unknown>(request: FallbackRequest<T>): Promise<FallbackResult<T>> {
    const call = (service: string, own: ServiceCallRequest): Promise<T> => this.callServiceJson<T>(service, own);
    const run = (events: EventSink): Promise<FallbackResult<T>> => callWithFallback(request, call, events);
    const { tracer, events } = this.engine;
    return tracer ? tracer.withFallback(request.primaryService, events, run) : run(events);
  }

  /**
   * Derives a communicator with other settings. It shares connections, load statistics and retry budgets with this one,
   * and breakers with every communicator that has equal breaker settings.
   * @throws InvalidConfigurationError listing every wrong option
   */
  withOptions(options: CommunicatorOptions): ServiceCommunicator {
    const { patterns: _, ...defaults } = this.defaults;
    const { engine, patterns } = this;
    const context = { ...contextOf(this.deps), over: [defaults, this.overrides], patterns: [...patterns.keys()] };
    validateCommunicatorOptions(options, '', context);
    const overrides = mergeOptions(this.overrides, options);
    return new ServiceCommunicator(this.deps, this.defaults, { overrides, engine, patterns });
  }

  /** The patterns in effect, by name: one per tier, and those of the options. */
  getCommunicationPatterns(): Readonly<Record<Tier, CommunicationPattern>> {
    const { patterns: _, ...defaults } = this.defaults;
    return describePatterns(this.patterns, defaults);
  }

  /** Milliseconds since this process last called an instance: 0 while a call is under way, Infinity if it never did. */
  idleMs(key: InstanceKey): number {
    return this.engine.idleMs(key);
  }

  /**
   * The breakers of services and instances that this process has called.
   * @param service @default all services
   */
  circuitBreakers(service?: string): CircuitBreakerView[] {
    return this.engine.circuitBreakers(service);
  }

  /**
   * Instances that picks currently avoid because they performed worse than the others.
   * @param service @default all services
   */
  ejections(service?: string): EjectionView[] {
    return this.engine.ejections(service);
  }

  /**
   * The calls of this process that are under way, by service.
   * @param service @default all services that were called
   */
  load(service?: string): ServiceLoad[] {
    return this.engine.load(service);
  }

  /** Instances of a service that calls of this process failed to connect to and have not reached since. */
  unreachable(service: string): UnreachableView[] {
    return this.engine.unreachable(service);
  }

  /** Ids of the instances that picks currently avoid for that reason, always in the same set; undefined: none. */
  unreachableIds(service: string): ReadonlySet<string> | undefined {
    return this.engine.unreachableIds(service);
  }

  /**
   * Forces the circuit of an instance, or of the service as a whole, for all communicators that share this one's state:
   * `isolated` refuses every call, `closed` lets every call through, `automatic` returns control to the outcome of
   * calls. The command for an instance lasts until it deregisters, and also applies where settings have no breaker.
   * @throws ServiceDiscoveryError `SERVICE_NOT_FOUND`, `INSTANCE_NOT_FOUND`, `INVALID_CONFIGURATION` for an unknown
   * command
   */
  forceCircuit(service: string, instanceId: string | undefined, command: CircuitCommand): void {
    const check = new OptionValidator();
    check.oneOf('state', command, CIRCUIT_COMMANDS);
    check.throwIfAny();
    this.engine.forceCircuit(service, instanceId, command, this.settingsFor(service));
  }

  /** The share of a service's retry budget that is left, 0 to 1; undefined: not called yet, or without a budget. */
  retryBudgetLeft(service: string): number | undefined {
    return this.engine.retryBudgetLeft(service, this.settingsFor(service));
  }

  /**
   * Explains what a call to the service would meet now: which instances would take it, which would not and why, what
   * decides between them, and which limits apply. Changes nothing.
   * @param request @default a GET of `/`
   * @throws ServiceDiscoveryError `INVALID_REQUEST` for an invalid request
   */
  explain(service: ServiceName, request: ServiceCallRequest = { path: '/' }): ServiceExplanation {
    checkCall(service, request);
    return this.engine.explain(service, this.settingsFor(service), request);
  }

  /**
   * The stages of every call to the service, outermost first, with their settings.
   * @param service its tier selects the pattern @default a service without a tier
   */
  describePipeline(service = ''): CallStageDescription[] {
    return this.engine.describePipeline(service, this.settingsFor(service));
  }

  /**
   * Runs a function, and prints the decisions of each call that it makes through this communicator or one derived from it, as
   * declarative clients are: settings, instances and why some are skipped, attempts with the time left, retries, fallback.
   * For debugging: a process pays for it while the function runs.
   * @param print gets the text of each call when it has ended. @default writes it to the standard output
   * @throws what the function throws
   *
   * @example
   * await communicator.trace(() => communicator.callServiceJson('user-service', { path: '/users/1' }));
   */
  async trace<T>(run: () => Promise<T> | T, print: PrintTrace = toStandardOutput): Promise<T> {
    return this.engine.traces.run(run, print);
  }

  /** Refuses new calls, waits for those in flight and closes all connections; also for derived communicators. */
  async close(): Promise<void> {
    await this.engine.close();
  }

  private call<T>(service: string, request: ServiceCallRequest, use: ResponseUse<T>): Promise<T> {
    try {
      checkCall(service, request);
      if (this.deps.registry.follows(service)) return this.callFollowed(service, request, use);
      return this.followAndCall(service, request, use);
    } catch (error) {
      return rejected(error);
    }
  }

  private async callAndValidate(service: string, request: ServiceCallRequest, schema: AnswerSchema): Promise<unknown> {
    await checkSchema(service, schema);
    return validateAnswer(await this.call(service, request, AS_JSON), schema, service, request);
  }

  private async followAndCall<T>(service: string, request: ServiceCallRequest, use: ResponseUse<T>): Promise<T> {
    // Must come before the settings, which may depend on the tier that the service declares.
    await this.deps.registry.follow(service, request.cancellation?.signal ?? request.signal);
    return this.callFollowed(service, request, use);
  }

  private callFollowed<T>(service: string, request: ServiceCallRequest, use: ResponseUse<T>): Promise<T> {
    const terms = this.termsOf(service, request, use);
    if (this.engine.awaitsFirst(service, terms.settings)) return this.awaitAndCall(service, request, terms);
    return this.engine.call(service, request, terms);
  }

  private async awaitAndCall<T>(service: string, request: ServiceCallRequest, terms: CallTerms<T>): Promise<T> {
    const waitedMs = await this.engine.untilFirst(service, request, terms);
    // Resolve the settings again: the service may declare a tier now.
    return this.engine.call(service, request, { ...this.termsOf(service, request, terms.use), waitedMs });
  }

  private termsOf<T>(service: string, request: ServiceCallRequest, use: ResponseUse<T>): CallTerms<T> {
    const settings = this.settingsFor(service);
    return { settings, times: timesFor(service, request, settings), use };
  }

  private settingsFor(service: string): CallSettings {
    const name = this.overrides.pattern ?? this.patternOf(service) ?? this.defaults.pattern;
    const mesh = this.deps.meshServices?.get(service);
    const known = mesh === undefined ? this.settings : this.meshSettings[`${mesh}`];
    let settings = known.get(name);
    if (!settings) {
      const pattern = name === undefined ? undefined : this.patterns.get(name);
      settings = toSettings(mergeOptions(this.defaults, pattern, { mesh }, this.overrides), this.deps.strategies);
      known.set(name, settings);
    }
    return settings;
  }

  /** Undefined for a tier without a pattern in this process: registrations may name any tier. */
  private patternOf(service: string): string | undefined {
    const tier = this.engine.tierOf(service);
    return tier !== undefined && this.patterns.has(tier) ? tier : undefined;
  }
}

const toStandardOutput: PrintTrace = (text) => void process.stdout.write(`${text}\n`);

/** @throws InvalidConfigurationError if the registry or transport is missing */
function checkDependencies(deps: CommunicatorDependencies): CommunicatorDependencies {
  const needed = 'an object with a registry and a transport: new ServiceCommunicator({ registry, transport })';
  assertOptions('ServiceCommunicator', deps, needed);
  const { registry, transport } = deps as Partial<CommunicatorDependencies>;
  const check = new OptionValidator('ServiceCommunicator');
  if (typeof registry?.onChange !== 'function') check.problem('registry', kindOf(registry), 'a ServiceRegistry');
  if (typeof transport?.send !== 'function') {
    check.problem('transport', kindOf(transport), 'a Transport, such as new UndiciTransport()');
  }
  check.throwIfAny();
  return deps;
}

/** @throws InvalidConfigurationError listing every wrong option */
function checkDefaults(defaults: CommunicatorDefaults, deps: CommunicatorDependencies): Patterns {
  assertOptions('options', defaults);
  const { patterns, ...options } = defaults;
  const context = contextOf(deps);
  validateCommunicatorOptions(options, '', { ...context, patterns: patternNames(patterns) });
  return resolvePatterns(patterns, options, context);
}

function contextOf({ strategies, transport }: CommunicatorDependencies): OptionsContext {
  return { strategies, sendsAsGiven: transport.sendsAsGiven === true };
}
