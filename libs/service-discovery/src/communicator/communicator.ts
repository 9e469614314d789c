import { assertOptions, OptionValidator } from '../common/index.js';
import { type InstanceKey, type Tier } from '../model/index.js';
import { CallEngine, type CallTerms, type CommunicatorDependencies } from './call-engine.js';
import { type ResponseUse } from './call/call.js';
import { checkCall } from './check-request.js';
import { kindOf } from './invalid-request.js';
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
import { asPlainObject, type ServiceCallRequest, type ServiceCallResponse } from './request.js';
import { rejected } from './call/rejected.js';
import { type CallStageDescription } from './call/stage.js';
import { timesFor } from './call-times.js';
import { CIRCUIT_COMMANDS, type CircuitBreakerView, type CircuitCommand } from './channel/breakers.js';
import { type EjectionView } from './channel/outlier-detectors.js';
import { type UnreachableView } from './channel/unreachable-instances.js';
import { type ServiceExplanation } from './explain-service.js';

/** What holds for every call unless a pattern or `withOptions` says otherwise. */
export interface CommunicatorDefaults extends CommunicatorOptions {
  /** Changes to the tier patterns, value by value, and patterns of names of your own: `{ batch: { timeout: '5m' } }`. */
  patterns?: PatternOverrides;
}

const AS_IT_IS: ResponseUse<ServiceCallResponse> = { consume: asPlainObject };
const AS_JSON: ResponseUse<unknown> = { consume: readJson, accept: 'application/json' };

/** What a derived communicator has of the one that it comes from. */
interface Derivation {
  readonly overrides: CommunicatorOptions;
  readonly engine: CallEngine;
  readonly patterns: Patterns;
}

/**
 * Calls services by name: picks an instance, cuts off the one that fails, tries another.
 *
 * Settings come from, each over the one before: the defaults, the pattern (`options.pattern`, else the tier that the
 * service declares), the options of `withOptions`, the single request.
 */
export class ServiceCommunicator {
  private readonly patterns: Patterns;
  /** By pattern. Settings are resolved once, not at every call. */
  private readonly settings = new Map<string | undefined, CallSettings>();

  private readonly overrides: CommunicatorOptions;
  private readonly engine: CallEngine;

  /**
   * @param derivation for `withOptions` alone
   * @throws InvalidConfigurationError that lists every wrong option, and what is missing of registry and transport
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
   * Calls a service and answers with whatever response arrived at last, also one with an error status. At the start of
   * the process, a service that was never registered is waited for, see {@link CommunicatorOptions.waitForFirst}.
   * Read the body, or dump it: until then its connection stays taken.
   * @throws ServiceDiscoveryError when no response arrived: `SERVICE_NOT_FOUND`, `NO_AVAILABLE_INSTANCE`, `CIRCUIT_OPEN`,
   *   `DEADLINE_EXCEEDED`, `ATTEMPT_TIMEOUT`, `TRANSPORT_FAILURE`, `RETRY_BUDGET_EXHAUSTED`, `BULKHEAD_FULL`, `RATE_LIMITED`,
   *   `THROTTLED`, `CONCURRENCY_LIMITED`, `REGISTRY_UNAVAILABLE`, `UNSUPPORTED_PROTOCOL`, `INVALID_REQUEST`; the signal's reason when the caller aborts
   */
  callService(service: string, request: ServiceCallRequest): Promise<ServiceCallResponse> {
    return this.call(service, request, AS_IT_IS);
  }

  /**
   * Calls a service and reads the JSON of its answer; undefined where it has no body.
   * @throws what `callService` throws; `ResponseStatusError` for a status from 400 on, with the body in it;
   *   `RESPONSE_BODY` when the body is no JSON
   */
  callServiceJson<T = unknown>(service: string, request: ServiceCallRequest): Promise<T> {
    return this.call(service, request, AS_JSON as ResponseUse<T>);
  }

  /**
   * Makes several calls at once and reads their JSON. Never rejects for a call's sake: each result says how its call
   * ended, in the order of the calls.
   * @throws ServiceDiscoveryError `INVALID_REQUEST` for what is no list; InvalidConfigurationError naming every wrong option
   */
  async parallelServiceCalls<T = unknown>(
    calls: readonly ParallelCall[],
    options: ParallelOptions = {},
  ): Promise<ParallelResult<T>[]> {
    return callInParallel(calls, options, (service, request) => this.callServiceJson<T>(service, request));
  }

  /**
   * Calls the primary service and reads the JSON; where it fails, turns to the fallback service, or asks the fallback
   * function for an answer. Each of the two services has the whole timeout. Credentials in the headers are not handed to
   * the fallback service.
   * @throws FallbackFailedError when both services fail; the primary's own error where a fallback would not help; what the
   *   function throws; ServiceDiscoveryError `INVALID_REQUEST` for a wrong request, before anything is sent
   */
  async callServiceWithFallback<T = unknown>(request: FallbackRequest<T>): Promise<FallbackResult<T>> {
    return callWithFallback(request, (service, own) => this.callServiceJson<T>(service, own), this.engine.events);
  }

  /**
   * A communicator with other settings. It shares connections, load statistics and retry budgets with this one, and
   * breakers with every communicator whose breaker settings are the same.
   * @throws InvalidConfigurationError that lists every wrong option
   */
  withOptions(options: CommunicatorOptions): ServiceCommunicator {
    const { patterns: _, ...defaults } = this.defaults;
    const { engine, patterns } = this;
    const context = { ...contextOf(this.deps), over: [defaults, this.overrides], patterns: [...patterns.keys()] };
    validateCommunicatorOptions(options, '', context);
    const overrides = mergeOptions(this.overrides, options);
    return new ServiceCommunicator(this.deps, this.defaults, { overrides, engine, patterns });
  }

  /** The patterns in force, by name: those of the tiers, and those of the options. */
  getCommunicationPatterns(): Readonly<Record<Tier, CommunicationPattern>> {
    const { patterns: _, ...defaults } = this.defaults;
    return describePatterns(this.patterns, defaults);
  }

  /**
   * For how many milliseconds nobody has called an instance from this process: 0 while a call is under way, infinity
   * where there was none.
   */
  idleMs(key: InstanceKey): number {
    return this.engine.idleMs(key);
  }

  /**
   * The breakers of services and instances that were called from this process.
   * @param service whose @default those of all
   */
  circuitBreakers(service?: string): CircuitBreakerView[] {
    return this.engine.circuitBreakers(service);
  }

  /**
   * The instances that picks avoid at the moment, since they did worse than the others.
   * @param service whose @default those of all
   */
  ejections(service?: string): EjectionView[] {
    return this.engine.ejections(service);
  }

  /** The instances of a service that calls from this process could not connect to, and have not reached since. */
  unreachable(service: string): UnreachableView[] {
    return this.engine.unreachable(service);
  }

  /** The ids of those that picks avoid for that at the moment, always in the same set; undefined: none. */
  unreachableIds(service: string): ReadonlySet<string> | undefined {
    return this.engine.unreachableIds(service);
  }

  /**
   * Holds the circuit of an instance, or of the service as a whole, for all communicators derived from the same one:
   * `isolated` refuses every call, `closed` lets every call through, `automatic` lets it go by its calls again. An
   * instance stays held until it deregisters, also while the settings of calls have no breaker.
   * @throws ServiceDiscoveryError `SERVICE_NOT_FOUND`, `INSTANCE_NOT_FOUND`, `INVALID_CONFIGURATION` for another command
   */
  forceCircuit(service: string, instanceId: string | undefined, command: CircuitCommand): void {
    const check = new OptionValidator();
    check.oneOf('state', command, CIRCUIT_COMMANDS);
    check.throwIfAny();
    this.engine.forceCircuit(service, instanceId, command, this.settingsFor(service));
  }

  /**
   * What a call to the service would meet now: which instances would take it, which would not and why, what they are
   * chosen by, and what limits the calls to it. Changes nothing.
   * @param request that of the call @default a GET of `/`
   * @throws ServiceDiscoveryError `INVALID_REQUEST` for a request that makes no sense
   */
  explain(service: string, request: ServiceCallRequest = { path: '/' }): ServiceExplanation {
    checkCall(service, request);
    return this.engine.explain(service, this.settingsFor(service), request);
  }

  /**
   * The stages that every call to the service runs through, the outermost first, with their settings.
   * @param service its tier decides on the settings, too @default one that declares no tier
   */
  describePipeline(service = ''): CallStageDescription[] {
    return this.engine.describePipeline(service, this.settingsFor(service));
  }

  /** Refuses new calls and closes all connections once what is in flight has ended; for derived communicators too. */
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

  private async followAndCall<T>(service: string, request: ServiceCallRequest, use: ResponseUse<T>): Promise<T> {
    // Before its settings, which may go by the tier that the service declares.
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
    // Once more, as they may go by the tier that the service declares.
    return this.engine.call(service, request, { ...this.termsOf(service, request, terms.use), waitedMs });
  }

  private termsOf<T>(service: string, request: ServiceCallRequest, use: ResponseUse<T>): CallTerms<T> {
    const settings = this.settingsFor(service);
    return { settings, times: timesFor(service, request, settings), use };
  }

  private settingsFor(service: string): CallSettings {
    const name = this.overrides.pattern ?? this.patternOf(service) ?? this.defaults.pattern;
    let settings = this.settings.get(name);
    if (!settings) {
      const pattern = name === undefined ? undefined : this.patterns.get(name);
      settings = toSettings(mergeOptions(this.defaults, pattern, this.overrides), this.deps.strategies);
      this.settings.set(name, settings);
    }
    return settings;
  }

  /** Undefined also for a tier that this process has no pattern for: others may name what they like. */
  private patternOf(service: string): string | undefined {
    const tier = this.engine.tierOf(service);
    return tier !== undefined && this.patterns.has(tier) ? tier : undefined;
  }
}

/** @throws InvalidConfigurationError naming what is missing of what every call needs */
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

/** @throws InvalidConfigurationError that lists every wrong option */
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
