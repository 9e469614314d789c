import { LeaseLostError, onAbort, systemClock, type Clock, type ServiceDiscoveryError } from '../../common/index.js';
import {
  type Change,
  type EventSink,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorReason,
  type OperatorStatus,
  type ProcessReport,
  type ServiceInstance,
  type ServiceSplit,
  type StatusDetail,
  type WatchScope,
} from '../../model/index.js';
import { isOperatorStatus, type RegistryStore, type ReportChannel } from '../registry-store.js';
import { type OnBadRecord } from './change-body.js';
import { type HealthBody, toHealthBody, toRegistrationBody } from './instance-body.js';
import { resolveRemoteRegistryStoreOptions, type RemoteRegistryStoreOptions } from './options.js';
import { type RegistryAnswer, RegistryHttp, REMOVED_HEADER } from './registry-http.js';
import { readChanges } from './watch-stream.js';

export interface RemoteRegistryStoreDeps {
  /** @default the system clock */
  clock?: Clock;
  /** Called for each instance of a watch that is not valid, and is skipped. @default none */
  onBadRecord?: OnBadRecord;
  /** Receives what happens to the certificates of `tls`. @default none */
  events?: EventSink;
}

/** The answer to a split: whether it was set. */
export interface SplitAnswer {
  readonly replaced: boolean;
}

/** Leases per request, so that the body stays well below the registry's limit. */
const LEASES_PER_REQUEST = 5_000;

const WAY_IN =
  "Set `remote.token` or SERVICE_DISCOVERY_TOKEN to the registry's shared token, or `remote.headers` to what its guard asks for";

/**
 * Registrations kept by the process behind a URL, reached over its REST API; the watch is an event stream. Each request
 * has a timeout. A lost watch throws, and its reader opens it again: `ServiceRegistry` does so with a jittered backoff,
 * and keeps its last snapshot until then.
 *
 * Where the registry answers a registration with 429, further ones of that service reject without being sent until the time that it
 * names is over.
 *
 * Besides `RegistryUnavailableError`, `put` rejects with the errors of the registry's own rules:
 * `InvalidInstanceError`, `HostNotAllowedError`.
 */
export class RemoteRegistryStore implements RegistryStore, ReportChannel {
  private readonly clock: Clock;
  private readonly onBadRecord: OnBadRecord | undefined;
  private readonly http: RegistryHttp;
  private readonly watches = new Set<AbortController>();
  /** Registrations refused by a limit of the registry, by service. */
  private readonly limited = new Map<string, { readonly until: number; readonly error: Error }>();
  private closed = false;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options: RemoteRegistryStoreOptions, deps: RemoteRegistryStoreDeps = {}) {
    this.clock = deps.clock ?? systemClock;
    this.onBadRecord = deps.onBadRecord;
    this.http = new RegistryHttp(resolveRemoteRegistryStoreOptions(options), this.clock, {
      events: deps.events,
      wayIn: WAY_IN,
    });
  }

  put(instance: ServiceInstance, ttlMs: number): Promise<Lease> {
    return this.register(instance, ttlMs);
  }

  async recover(instance: ServiceInstance, ttlMs: number, claim: number): Promise<Lease | null> {
    try {
      return await this.register(instance, ttlMs, claim);
    } catch (error) {
      if (error instanceof LeaseLostError) return null;
      throw error;
    }
  }

  async renew(leases: readonly Lease[], by: LeaseKind = 'heartbeat'): Promise<readonly boolean[]> {
    const batches: Promise<readonly boolean[]>[] = [];
    for (let start = 0; start < leases.length; start += LEASES_PER_REQUEST) {
      batches.push(this.renewBatch(leases.slice(start, start + LEASES_PER_REQUEST), by));
    }
    return (await Promise.all(batches)).flat();
  }

  async remove(lease: Lease): Promise<boolean> {
    const answer = await this.http.send('DELETE', `${pathOf(lease)}?generation=${lease.generation}`);
    if (answer.status !== 204) throw this.refusal(answer, lease);
    return answer.headers[REMOVED_HEADER] === 'true';
  }

  async setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): Promise<boolean> {
    const answer = isOperatorStatus(status)
      ? await this.http.send('PUT', `${pathOf(key)}/status`, { status, ...toOperatorReason(detail) })
      : await this.http.send('PUT', `${pathOf(key)}/health`, {
          status,
          detail: detail && toReport(detail as HealthDetail),
        });
    if (answer.status === 200) return true;
    if (codeOf(answer) === 'INSTANCE_NOT_FOUND') return false;
    throw this.refusal(answer, key);
  }

  async setSplit(serviceName: string, split: ServiceSplit, replaces: ServiceSplit | undefined): Promise<boolean> {
    const path = `/services/${encodeURIComponent(serviceName)}/split`;
    const answer = await this.http.send('PUT', path, { split, replaces });
    if (answer.status === 200) return (answer.body as Partial<SplitAnswer> | undefined)?.replaced === true;
    throw this.refusal(answer);
  }

  async sendReport(report: ProcessReport): Promise<void> {
    const answer = await this.http.send('POST', '/reports', report);
    if (answer.status !== 204) throw this.refusal(answer);
  }

  async *watch(scope: WatchScope, signal: AbortSignal): AsyncGenerator<Change, void, undefined> {
    if (signal.aborted || this.closed) return;
    const stop = new AbortController();
    const stopWaiting = onAbort(signal, () => stop.abort());
    this.watches.add(stop);
    try {
      yield* readChanges(this.http, scope, stop, this.clock, this.onBadRecord);
    } catch (error) {
      if (!signal.aborted && !this.closed) throw error;
    } finally {
      stopWaiting();
      this.watches.delete(stop);
      stop.abort();
    }
  }

  /** Ends all watches and closes all connections, including those in use. */
  async close(): Promise<void> {
    this.closed = true;
    for (const watch of this.watches) watch.abort();
    await this.http.close();
  }

  private async register(instance: ServiceInstance, ttlMs: number, claim?: number): Promise<Lease> {
    const { serviceName, instanceId } = instance;
    const limit = this.limited.get(serviceName);
    if (limit && this.clock.now() < limit.until) throw limit.error;
    this.limited.delete(serviceName);
    const body = { ...toRegistrationBody(instance, ttlMs), claim };
    const answer = await this.http.send('POST', '/register', body);
    const { generation, ttl } = (answer.body ?? {}) as { generation?: unknown; ttl?: unknown };
    if (answer.status >= 300 || typeof generation !== 'number') {
      const error = this.refusal(answer, instance);
      if (answer.status === 429)
        this.limited.set(serviceName, { until: this.clock.now() + (error.retryAfterMs ?? 0), error });
      throw error;
    }
    return { serviceName, instanceId, generation, ttlMs: typeof ttl === 'number' ? Math.round(ttl * 1_000) : ttlMs };
  }

  private async renewBatch(leases: readonly Lease[], by: LeaseKind): Promise<readonly boolean[]> {
    const body = leases.map(({ serviceName, instanceId, generation }) => ({
      service_name: serviceName,
      instance_id: instanceId,
      generation,
    }));
    const answer = await this.http.send('POST', '/heartbeats', { leases: body, by });
    const { renewed } = (answer.body ?? {}) as { renewed?: unknown };
    if (answer.status !== 200 || !Array.isArray(renewed) || renewed.length !== leases.length)
      throw this.refusal(answer);
    return renewed.map((held) => held === true);
  }

  private refusal(answer: RegistryAnswer, subject?: InstanceKey & { host?: string }): ServiceDiscoveryError {
    return this.http.toError(answer, subject);
  }
}

function pathOf({ serviceName, instanceId }: InstanceKey): string {
  return `/services/${encodeURIComponent(serviceName)}/instances/${encodeURIComponent(instanceId)}`;
}

function codeOf({ body }: RegistryAnswer): unknown {
  return (body as { error?: { code?: unknown } } | undefined)?.error?.code;
}

/** Without `since`, which the registry sets itself. */
function toOperatorReason(note: StatusDetail | undefined): OperatorReason {
  const { reason, by } = (note ?? {}) as OperatorReason;
  return { reason, by };
}

/** Without `since`, which the registry sets itself. */
function toReport(detail: HealthDetail): HealthBody {
  return toHealthBody({ ...detail, since: undefined });
}
