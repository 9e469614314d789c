import { type Clock, ServiceTls, systemClock, type TlsSettings } from '../common/index.js';
import {
  DEFAULT_HEALTH_CHECK_PATH,
  type CheckType,
  type EventSink,
  type HealthCheckSpec,
  isSecure,
  type Protocol,
  type ServiceInstance,
  toRanges,
} from '../model/index.js';
import { type CheckPlan, type CheckPlanner } from './check-plan.js';
import { type CheckSettings, overlay, scheduleOf } from './service-checks.js';
import { HEALTH_CHECK_OPTIONS, type ResolvedHealthCheckOptions } from './options.js';
import { AliasProbe, CustomProbe } from './probes/custom-probe.js';
import { GrpcProbe } from './probes/grpc-probe.js';
import { HttpProbe } from './probes/http-probe.js';
import { type Probe } from './probes/probe.js';
import { type ConnectionDeps, TcpProbe } from './probes/tcp-probe.js';

export interface CheckPlannerDeps extends ConnectionDeps {
  /** Current instances of a service, for checks of an alias to it. @default none */
  instancesOf?: (serviceName: string) => readonly ServiceInstance[];
  /** Whether checks over HTTP and gRPC go over TLS alone; others are skipped. @default false */
  requireTls?: boolean;
  /** @default the machine's clock */
  clock?: Clock;
  /** Receives what happens to the certificates of `tls`. @default none */
  events?: EventSink;
}

const WITHOUT_TLS =
  'requireTls is set, and the check would go over HTTP without TLS: register the instance with https, or have it checked over tcp';

/** Size of the cache of shared plans; bounded, since registrants can make up new settings without end. */
const PLANS_KEPT = 1_000;

/**
 * Plans checks from the settings for all services, for the service, and of the instance, each overriding the one
 * before. If no protocol is set: HTTP for an instance with a health check path, else gRPC health or TCP by its
 * protocol.
 */
export function planChecks(options: ResolvedHealthCheckOptions, deps: CheckPlannerDeps = {}): CheckPlanner {
  const { instancesOf = () => [], requireTls = false, clock = systemClock, events } = deps;
  const plans = new Map<string, CheckPlan>();
  const tls = new ServiceTls(options.tls, { clock, events, use: 'health_checks' });

  const planner: CheckPlanner = ({ serviceName, protocol, healthCheckPath, healthCheck }) => {
    const ofService = options.services.get(serviceName);
    const isOwn = ofService !== undefined || tls.isOwn(serviceName);
    const key = JSON.stringify([isOwn && serviceName, protocol, healthCheckPath === null, healthCheck]);
    let plan = plans.get(key);
    if (plan) return plan;
    const settings = overlay(...forTarget([options.defaults, ofService], healthCheck), healthCheck);
    const schedule = ofService || healthCheck ? scheduleOf(settings) : options.schedule;
    const currentTls = (): TlsSettings => tlsFor(tls.of(serviceName), healthCheck?.tls);
    plan = { schedule, probe: probeFor(settings, protocol, healthCheckPath !== null, currentTls) };
    if (plans.size >= PLANS_KEPT) plans.clear();
    plans.set(key, plan);
    return plan;
  };

  // Called for every instance along an alias chain on each check, too often to build its plan.
  const aliasOf = ({ serviceName, healthCheck }: ServiceInstance): string | undefined => {
    const ofService = options.services.get(serviceName);
    const type = healthCheck?.type ?? ofService?.type;
    return type === 'alias' ? (healthCheck?.aliasOf ?? ofService?.aliasOf) : undefined;
  };

  const probeFor = (
    settings: CheckSettings,
    spoken: Protocol,
    hasPath: boolean,
    currentTls: () => TlsSettings,
  ): Probe => {
    const { path, port, protocol } = settings;
    const { type = path !== undefined || hasPath ? 'http' : typeWithoutPath(spoken) } = settings;
    if (requireTls && (type === 'http' || type === 'grpc') && !isSecure(protocol ?? spoken)) {
      return skippingProbe(WITHOUT_TLS);
    }
    switch (type) {
      case 'http':
        return new HttpProbe(withTls(httpSettings(settings, hasPath), currentTls), deps);
      case 'tcp':
        return new TcpProbe({ port }, deps);
      case 'grpc':
        return new GrpcProbe(withTls({ service: settings.grpcService, port, protocol }, currentTls), deps);
      case 'alias':
        return new AliasProbe(settings.aliasOf!, { instancesOf, aliasOf });
      case 'custom':
        return customProbe(settings.probe, options);
    }
  };
  planner.close = () => tls.close();
  return planner;
}

/** TLS that is looked up at each check, since certificates are rotated. */
function withTls<T extends object>(settings: T, current: () => TlsSettings): T & { readonly tls: TlsSettings } {
  return {
    ...settings,
    get tls() {
      return current();
    },
  };
}

/** An instance cannot turn off the check of its identity. */
function tlsFor(operators: TlsSettings, own: HealthCheckSpec['tls']): TlsSettings {
  if (operators.checkServerIdentity === undefined) return { ...operators, ...own };
  return { ...operators, ...(own?.servername !== undefined && { servername: own.servername }) };
}

/**
 * The settings of the operator for an instance. Headers among them may be credentials for the service: an instance that
 * says where its check goes, or whose certificate is trusted, does not get them.
 */
function forTarget(
  operator: readonly [all: CheckSettings, ofService: CheckSettings | undefined],
  own: HealthCheckSpec | undefined,
): [CheckSettings, CheckSettings | undefined] {
  const [all, ofService] = operator;
  if (!own || (own.port ?? own.protocol ?? own.tls) === undefined) return [all, ofService];
  return [{ ...all, headers: undefined }, ofService && { ...ofService, headers: undefined }];
}

function typeWithoutPath(protocol: Protocol): CheckType {
  return protocol === 'grpc' || protocol === 'grpcs' ? 'grpc' : 'tcp';
}

function httpSettings({ healthyStatuses = [], unhealthyStatuses, ...settings }: CheckSettings, hasPath: boolean) {
  const { body, bodyLimit = 0, path } = settings;
  return {
    ...settings,
    path: path ?? (hasPath ? undefined : DEFAULT_HEALTH_CHECK_PATH),
    healthyStatuses: toRanges(healthyStatuses),
    unhealthyStatuses: unhealthyStatuses && toRanges(unhealthyStatuses),
    // A body condition needs the body to be read.
    bodyLimit: body === undefined || bodyLimit > 0 ? bodyLimit : HEALTH_CHECK_OPTIONS.defaults.bodyLimit,
  };
}

function customProbe(probe: CheckSettings['probe'], { probes }: ResolvedHealthCheckOptions): Probe {
  const ask = typeof probe === 'string' ? probes.get(probe) : probe;
  if (ask) return new CustomProbe(ask);
  return skippingProbe(`the process that checks knows no probe ${String(probe)}: add it to healthCheck.probes there`);
}

/** For what is not the fault of the instance, so the result is inconclusive. */
function skippingProbe(reason: string): Probe {
  return { check: () => Promise.resolve({ passed: false, skipped: true, misconfigured: true, reason }) };
}
