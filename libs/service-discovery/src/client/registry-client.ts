import {
  type Clock,
  type Duration,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  type Problem,
  ServiceDiscoveryError,
  systemClock,
} from '../common/index.js';
import { type CircuitCommand } from '../communicator/index.js';
import { type InstanceKey, type JournalEntry, type OperatorStatus } from '../model/index.js';
import {
  type InstanceBody,
  errorFieldsOf,
  readEventStream,
  type RegistryAnswer,
  RegistryHttp,
  type RemoteRegistryStoreOptions,
  resolveRemoteRegistryStoreOptions,
  streamText,
} from '../store/index.js';
import { type JournalView } from './insight-answers.js';
import {
  type AggregatedHealthView,
  type CallsView,
  type CircuitBreakerBody,
  type CircuitCommandView,
  type EventView,
  type ExplanationView,
  type HistoryView,
  type RegisteredView,
  type ServiceListView,
  type ServiceView,
  type SplitView,
  type StatusView,
} from './answers.js';

/** The body of a registration. What is left out has the defaults of the REST API. */
export type RegistrationBody = Partial<
  Omit<InstanceBody, 'service_name' | 'host' | 'port' | 'ttl' | 'generation' | 'status'>
> &
  Pick<InstanceBody, 'service_name' | 'host' | 'port'> & {
    /** Seconds. */
    readonly ttl?: number;
  };

/** What a call to explain would ask for. */
export interface ExplainQuestion {
  readonly version?: string;
  readonly tags?: readonly string[];
  readonly zone?: string;
  readonly key?: string;
  /** @default '/' */
  readonly path?: string;
}

/** How a rollout goes; the defaults are those of `RolloutOptions`. */
export interface RolloutRequest {
  readonly version: string;
  readonly steps?: readonly number[];
  readonly step_duration?: Duration;
  readonly max_error_rate?: number;
  readonly max_p99?: Duration;
  readonly min_attempts?: number;
}

/** Why an operator acts, and who it is. */
interface Note {
  readonly reason?: string;
  readonly by?: string;
}

const WAY_IN = 'Send its shared token (`token`), or what its guard asks for (`headers`)';

/** The most that a page holds. */
const PAGE = 1_000;

/**
 * A client of the REST API of any process that serves it, for scripts and tools. Calls and circuits are those of the
 * process that is asked; registrations and health are the same in all processes of a registry.
 *
 * Every method throws `RegistryUnavailableError` where there is no answer, or none of the API's; a
 * `ServiceDiscoveryError` with the API's code where it refuses, such as `SERVICE_NOT_FOUND`.
 */
export class RegistryClient {
  private readonly http: RegistryHttp;
  private readonly clock: Clock;

  /** @throws InvalidConfigurationError */
  constructor(options: RemoteRegistryStoreOptions, { clock = systemClock }: { readonly clock?: Clock } = {}) {
    this.clock = clock;
    this.http = new RegistryHttp(resolveRemoteRegistryStoreOptions(options), clock, { wayIn: WAY_IN });
  }

  /** The URL of the API, such as `http://registry:3000/service-discovery`. */
  get url(): string {
    return this.http.url;
  }

  /** All services with up to 1,000 instances each, by name. */
  async services(): Promise<readonly ServiceView[]> {
    const services: ServiceView[] = [];
    for (let after: string | undefined; ;) {
      const page = await this.get<ServiceListView>('/services', { limit: String(PAGE), after });
      services.push(...page.services);
      after = page.next;
      if (after === undefined) return services;
    }
  }

  /** One service with all of its instances. */
  async service(name: string): Promise<ServiceView> {
    const path = `/services/${encodeURIComponent(name)}`;
    const first = await this.get<ServiceView>(path, { limit: String(PAGE) });
    const instances = [...first.instances];
    for (let after = first.next; after !== undefined;) {
      const page = await this.get<ServiceView>(path, { limit: String(PAGE), after });
      instances.push(...page.instances);
      after = page.next;
    }
    return { ...first, instances, next: undefined };
  }

  /** Aggregated health, of all services or of one; the counts always include all that were asked for. */
  health(service?: string): Promise<AggregatedHealthView> {
    return this.get('/health/aggregated', { service });
  }

  /** The last status changes of an instance. */
  history({ serviceName, instanceId }: InstanceKey): Promise<HistoryView> {
    return this.get(`${instancePath(serviceName, instanceId)}/history`);
  }

  /** The last entries of the journal about a service, the newest first, up to 100. */
  async journal(service: string): Promise<readonly JournalEntry[]> {
    return (await this.get<JournalView>('/journal', { service })).entries;
  }

  /** Which instances would take a call of the process that is asked, which would not and why. */
  explain(service: string, { tags, ...question }: ExplainQuestion = {}): Promise<ExplanationView> {
    return this.get(`/explain/${encodeURIComponent(service)}`, { ...question, tag: tags });
  }

  /** The stages around every call to a service, the outermost first. */
  pipeline(service: string): Promise<{ readonly service_name: string; readonly stages: readonly CallsView[] }> {
    return this.get(`/pipeline/${encodeURIComponent(service)}`);
  }

  async circuitBreakers(): Promise<readonly CircuitBreakerBody[]> {
    return (await this.get<{ circuit_breakers: readonly CircuitBreakerBody[] }>('/circuit-breakers')).circuit_breakers;
  }

  async ejections(): Promise<readonly CallsView[]> {
    return (await this.get<{ ejections: readonly CallsView[] }>('/ejections')).ejections;
  }

  /** The metrics of the process that is asked, in Prometheus's text format. */
  metrics(): Promise<string> {
    return this.request('GET', '/metrics').then(({ text = '' }) => text);
  }

  register(registration: RegistrationBody): Promise<RegisteredView> {
    return this.send('POST', '/register', registration);
  }

  async deregister({ serviceName, instanceId }: InstanceKey): Promise<void> {
    await this.send('DELETE', instancePath(serviceName, instanceId));
  }

  /** Takes an instance out of traffic, or back into it. */
  setStatus(
    key: InstanceKey,
    status: OperatorStatus,
    note: { reason?: string; by?: string } = {},
  ): Promise<StatusView> {
    return this.send('PUT', `${instancePath(key.serviceName, key.instanceId)}/status`, { status, ...note });
  }

  /**
   * Holds a circuit, or lets it go by its calls again.
   * @param instanceId undefined: the circuit of the service as a whole
   */
  forceCircuit(service: string, instanceId: string | undefined, state: CircuitCommand): Promise<CircuitCommandView> {
    const target = instanceId === undefined ? encodeURIComponent(service) : keyPath(service, instanceId);
    return this.send('PUT', `/circuit-breakers/${target}`, { state });
  }

  /** How the calls to a service are split, and how attempts at the parts end. */
  split(service: string): Promise<SplitView> {
    return this.get(`/services/${encodeURIComponent(service)}/split`);
  }

  /**
   * Sets the share of the calls to a service that goes through its gateway, for all callers.
   * @param share per cent: 0 to 100
   */
  setShare(service: string, share: number, note: Note = {}): Promise<SplitView> {
    return this.send('PUT', `/services/${encodeURIComponent(service)}/share`, { share, ...note });
  }

  /** Begins to move the calls to a service to a new version, step by step, for all callers. */
  startRollout(service: string, rollout: RolloutRequest, note: Note = {}): Promise<SplitView> {
    return this.send('PUT', `/services/${encodeURIComponent(service)}/rollout`, { ...rollout, ...note });
  }

  /** Sends all calls back to the other versions; forgets a rollout that is over. */
  endRollout(service: string, note: Note = {}): Promise<SplitView> {
    return this.send('PUT', `/services/${encodeURIComponent(service)}/rollout/end`, note);
  }

  /** What happens in the process that is asked, from now on until the signal aborts. */
  async *events(signal: AbortSignal): AsyncGenerator<EventView, void, undefined> {
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal.reason);
    if (signal.aborted) return;
    signal.addEventListener('abort', abort, { once: true });
    try {
      const answer = await this.http.open('GET', '/events', stop);
      for await (const { data } of readEventStream(streamText(answer, stop, this.clock)))
        yield JSON.parse(data) as EventView;
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', abort);
      stop.abort();
    }
  }

  /** Closes its connections. */
  close(): Promise<void> {
    return this.http.close();
  }

  private get<T>(path: string, query: Query = {}): Promise<T> {
    return this.send('GET', path + queryOf(query));
  }

  private async send<T>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T> {
    return (await this.request(method, path, body)).body as T;
  }

  private async request(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<RegistryAnswer> {
    const answer = await this.http.send(method, path, body);
    if (answer.status < 300) return answer;
    throw errorOf(answer.body) ?? this.http.toError(answer);
  }
}

type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

function queryOf(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? []].flat().map((text) => [name, text] as [string, string]),
  );
  return pairs.length > 0 ? `?${new URLSearchParams(pairs).toString()}` : '';
}

function instancePath(service: string, instanceId: string): string {
  return `/services/${keyPath(service, instanceId)}`;
}

function keyPath(service: string, instanceId: string): string {
  return `${encodeURIComponent(service)}/instances/${encodeURIComponent(instanceId)}`;
}

/** The error of a refusal that is about the request. */
function errorOf(body: unknown): ServiceDiscoveryError | undefined {
  const { code = '', message = '', problems = [], service, instance_id: instanceId } = errorFieldsOf(body);
  if (!Object.hasOwn(ERROR_CODES, code) || code === 'REGISTRY_UNAVAILABLE') return undefined;
  const details = { service, instanceId };
  if (code === 'INVALID_REQUEST' && problems.length > 0) {
    const fields = problems.map(({ field, value, expected }) => ({ path: field, value, expected }));
    return new WrongFieldsError(code, message, details, fields);
  }
  return new ServiceDiscoveryError(code as ErrorCode, message, details);
}

/** A field of the request is wrong, so that it would be refused in any state of the registry. */
export class WrongFieldsError extends ServiceDiscoveryError {
  /** @param problems by the names that the fields have in the API */
  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails,
    readonly problems: readonly Problem[],
  ) {
    super(code, message, details);
  }
}
