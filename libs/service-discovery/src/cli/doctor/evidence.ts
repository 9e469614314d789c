import { connect } from 'node:net';
import {
  type CallsView,
  type CircuitBreakerBody,
  type ExplanationView,
  type ListedInstanceView,
  type RegistryClient,
  type RegistryHealthView,
  type ServiceView,
} from '../../client/index.js';
import { type JournalEntry } from '../../model/index.js';
import { messageOf, ServiceDiscoveryError, systemClock } from '../../common/index.js';

/** Which instances are asked for. */
export interface Question {
  readonly version?: string;
  readonly tags?: readonly string[];
  readonly zone?: string;
}

/** What this machine meets at the address of an instance. */
interface Reach {
  readonly connects: boolean;
  /** `connects in 3 ms`, `ECONNREFUSED` */
  readonly says: string;
}

/** All that is known of a service that something is wrong with. */
export interface Evidence {
  readonly service: string;
  readonly question: Question;
  /** The API that was asked. */
  readonly url: string;
  /** When it was asked, in milliseconds since the Unix epoch. */
  readonly now: number;
  /** All services that are registered. */
  readonly names: readonly string[];
  readonly registry: RegistryHealthView;
  /** Undefined: it is not registered. */
  readonly view: ServiceView | undefined;
  readonly instances: readonly ListedInstanceView[];
  readonly explanation: ExplanationView | undefined;
  readonly circuits: readonly CircuitBreakerBody[];
  readonly ejections: readonly CallsView[];
  /** By instance id; of the first 20 instances. */
  readonly reach: ReadonlyMap<string, Reach>;
  /** By instance id: the picks of the process that was asked, since it started. */
  readonly picks: ReadonlyMap<string, number>;
  /** The last entries about it, the newest first; empty where the caller may not read the journal. */
  readonly journal: readonly JournalEntry[];
}

const MOST_PROBED = 20;
const PROBE_TIMEOUT_MS = 2_000;

/** Asks everything that the doctor's questions need. @throws RegistryUnavailableError */
export async function gather(registry: RegistryClient, service: string, question: Question): Promise<Evidence> {
  const [services, health] = await Promise.all([registry.services(), registry.health(service)]);
  const names = services.map(({ service_name: name }) => name);
  const view = names.includes(service) ? await unlessGone(registry.service(service)) : undefined;
  const [explanation, circuits, ejections, metrics, journal] = await Promise.all([
    view && unlessGone(registry.explain(service, question)),
    registry.circuitBreakers(),
    registry.ejections(),
    registry.metrics(),
    unlessRefused(registry.journal(service)),
  ]);
  const ofService = <T extends { readonly service_name?: unknown }>(list: readonly T[]): T[] =>
    list.filter(({ service_name: name }) => name === service);
  const instances = view?.instances ?? [];
  return {
    service,
    question,
    url: registry.url,
    now: systemClock.epoch(),
    names,
    registry: health.registry,
    view,
    instances,
    explanation,
    circuits: ofService(circuits),
    ejections: ofService(ejections),
    reach: new Map(await Promise.all(instances.slice(0, MOST_PROBED).map(probe))),
    picks: picksOf(service, metrics),
    journal: journal ?? [],
  };
}

/** A service may end between two questions. */
async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ServiceDiscoveryError && error.code === 'SERVICE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** The journal is for callers who are let in, and an older registry has none. */
async function unlessRefused<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ServiceDiscoveryError && error.code !== 'REGISTRY_UNAVAILABLE') return undefined;
    throw error;
  }
}

function probe({ instance_id: id, host, port }: ListedInstanceView): Promise<[string, Reach]> {
  const start = systemClock.now();
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_TIMEOUT_MS });
    const end = (connects: boolean, says: string): void => {
      socket.destroy();
      resolve([id, { connects, says }]);
    };
    socket.once('connect', () => end(true, `connects in ${Math.round(systemClock.now() - start)} ms`));
    socket.once('timeout', () => end(false, `no answer within ${PROBE_TIMEOUT_MS / 1_000} s`));
    socket.once('error', (error) => end(false, messageOf(error)));
  });
}

const PICKS = /^service_discovery_balancing_decisions_total\{([^}]*)\} (\S+)/gm;

/** Picks by instance, from metrics in Prometheus's text format. */
function picksOf(service: string, metrics: string): Map<string, number> {
  const picks = new Map<string, number>();
  for (const [, labels = '', count] of metrics.matchAll(PICKS)) {
    const { service: name, instance } = Object.fromEntries(
      [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, value]) => [label, value]),
    ) as Partial<Record<string, string>>;
    if (name === service && instance !== undefined) picks.set(instance, (picks.get(instance) ?? 0) + Number(count));
  }
  return picks;
}
