import { type ExplainQuestion, type ListedInstanceView, type RegistryClient } from '../client/index.js';
import { counted } from '../common/index.js';
import { type Output } from './output.js';

/** What a command found: 1 if something is wrong. */
export type Finding = 0 | 1;

/** What a command asks, and where it prints. */
export type Task = (registry: RegistryClient, out: Output) => Promise<Finding | void>;

/** The state of the whole: 1 unless all is healthy, or nothing is known yet. */
export async function showStatus(registry: RegistryClient, out: Output): Promise<Finding> {
  const health = await registry.health();
  const { overall_status: status, faults, missing_services: missing, registry: link } = health;
  const { services: _services, next: _next, ...rest } = health;
  out.show(rest, () => {
    out.line(`${registry.url}: ${out.status(status)}`);
    if (!link.connected) out.line(`The registry behind it is away: the state is ${link.age_seconds} s old.`);
    if (link.write_refusal !== undefined) out.line(`The registry refuses writes: ${link.write_refusal}`);
    out.line(
      `${counted(health.total_services, 'service')}: ${health.healthy_services} healthy, ${health.degraded_services} degraded, ` +
        `${health.unhealthy_services} unhealthy, ${health.unknown_services} unknown`,
    );
    if (missing.length > 0) out.line(`Required, but not registered: ${missing.join(', ')}`);
    if (faults.length === 0) return;
    out.line();
    out.table(
      ['FAULT', 'IN', 'BREAKS', 'AT RISK'],
      faults.map(({ kind, services, cascades, at_risk: atRisk }) => [
        kind,
        services.join(', '),
        cascades.join(', '),
        atRisk.join(', '),
      ]),
    );
  });
  return status === 'healthy' || status === 'unknown' ? 0 : 1;
}

export interface ServiceFilter {
  readonly tag?: string;
  readonly failing?: boolean;
}

export async function showServices(
  registry: RegistryClient,
  out: Output,
  { tag, failing }: ServiceFilter,
): Promise<void> {
  const all = await registry.services();
  const services = all.filter(
    ({ status, instances }) =>
      (!failing || (status !== 'healthy' && status !== 'unknown')) &&
      (tag === undefined || instances.some(({ tags }) => tags.includes(tag))),
  );
  out.show({ services }, () => {
    out.table(
      ['SERVICE', 'STATUS', 'HEALTHY', 'VERSIONS', 'TAGS', 'ADDRESS'],
      services.map((service) => [
        service.service_name,
        service.status,
        `${service.healthy_instances}/${service.total_instances}`,
        distinct(service.instances.map(({ version }) => version)),
        distinct(service.instances.flatMap(({ tags }) => tags)),
        service.base_url,
      ]),
    );
    if (services.length === 0) out.line(all.length === 0 ? 'No service is registered.' : 'No service matches.');
  });
}

/** @param name undefined: those of all services */
export async function showInstances(registry: RegistryClient, out: Output, name: string | undefined): Promise<void> {
  const services = name === undefined ? await registry.services() : [await registry.service(name)];
  const instances = services.flatMap((service) => service.instances);
  out.show({ instances }, () => {
    out.table(
      ['SERVICE', 'INSTANCE', 'STATUS', 'ADDRESS', 'VERSION', 'ZONE', 'WEIGHT', 'LAST HEARTBEAT', 'WHY'],
      instances.map((instance) => [
        instance.service_name,
        instance.instance_id,
        instance.status,
        instance.base_url,
        instance.version,
        instance.zone,
        instance.weight,
        instance.last_heartbeat,
        whyOf(instance),
      ]),
    );
    const cut = services.find(({ instances: { length }, total_instances: total }) => length < total);
    if (cut) out.line(`${cut.service_name} has ${cut.total_instances}: instances ${cut.service_name} lists all.`);
  });
}

/** Why an instance has its status; nothing where it is simply healthy. */
function whyOf({ status, reasons }: ListedInstanceView): string | undefined {
  if (status === 'healthy') return undefined;
  const [first] = reasons;
  return first && [first.reason, first.by && `by ${first.by}`].filter(Boolean).join(', ');
}

/** 1 if no instance can take the call. */
export async function showExplanation(
  registry: RegistryClient,
  out: Output,
  name: string,
  question: ExplainQuestion,
): Promise<Finding> {
  const explanation = await registry.explain(name, question);
  const { strategy, goes_by: goesBy, unavailable, fail_open: failOpen, instances } = explanation;
  out.show(explanation, () => {
    out.line(`${name}: ${strategy}${goesBy === undefined ? '' : `, by ${goesBy}`}, as ${registry.url} would call it`);
    if (failOpen) out.line('No instance is healthy, so calls go to unhealthy ones.');
    out.table(
      ['INSTANCE', 'STATUS', 'TAKES CALLS', 'STAGE', 'REASON', 'WEIGHT', 'IN FLIGHT', 'LATENCY'],
      instances.map((instance) => [
        instance.instance_id,
        instance.status,
        instance.taken ? 'yes' : 'no',
        instance.stage,
        instance.reason,
        instance.weight,
        instance.active,
        `${Math.round(instance.latency_ms)} ms`,
      ]),
    );
    if (unavailable !== undefined) out.line(`No instance can take a call: ${unavailable}`);
  });
  return unavailable === undefined ? 0 : 1;
}

/** 1 if a circuit is not closed. */
export async function showCircuits(
  registry: RegistryClient,
  out: Output,
  service: string | undefined,
): Promise<Finding> {
  const all = await registry.circuitBreakers();
  const circuits = all.filter(({ service_name: name }) => service === undefined || name === service);
  // A name that does not exist has no circuits either.
  if (service !== undefined && circuits.length === 0) await registry.service(service);
  out.show({ circuit_breakers: circuits }, () => {
    out.table(
      ['SERVICE', 'INSTANCE', 'STATE', 'FAILURES', 'SINCE', 'LETS CALLS THROUGH IN'],
      circuits.map((circuit) => [
        circuit.service_name,
        circuit.instance_id ?? '(the service)',
        circuit.state,
        circuit.failures,
        `${Math.round(circuit.state_age_ms / 1_000)} s`,
        circuit.retry_after_ms === null ? '' : `${Math.ceil(circuit.retry_after_ms / 1_000)} s`,
      ]),
    );
    if (circuits.length === 0)
      out.line(
        `${registry.url} has no circuits${service ? ` for ${service}: it made no calls to it` : ': it made no calls'}.`,
      );
  });
  return circuits.every(({ state }) => state === 'closed') ? 0 : 1;
}

/** Prints events until the signal aborts. */
export async function watchEvents(
  registry: RegistryClient,
  out: Output,
  service: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  for await (const event of registry.events(signal)) {
    const { type, at, service_name: name, instance_id: id, instance: _instance, ...rest } = event;
    if (service !== undefined && name !== service) continue;
    const details = Object.entries(rest).map(([field, value]) => `${field}=${JSON.stringify(value)}`);
    out.event(event, [at, type, [name, id].filter(Boolean).join('/'), ...details].join(' '));
  }
}

function distinct(values: readonly (string | undefined)[]): string {
  return [...new Set(values.filter(Boolean))].sort().join(', ');
}
