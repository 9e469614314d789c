import { type CircuitBreakerBody, type ListedInstanceView } from '../../client/index.js';
import { type FilterStage } from '../../balancing/index.js';
import { counted } from '../../common/index.js';
import { COMMAND } from '../output.js';
import { type Evidence } from './evidence.js';

/** A problem that users have, and the questions that lead to its cause. */
export interface DoctorProblem {
  readonly id: 'discovery' | 'health' | 'circuit' | 'balancing';
  readonly title: string;
  /** How it shows. Texts are Markdown. */
  readonly intro: string;
  readonly questions: readonly DoctorQuestion[];
}

export interface DoctorQuestion {
  readonly title: string;
  /** How to find out by hand, and what the answer tells. */
  readonly how: string;
  /** What is in the first column of its findings. @default 'what you see' */
  readonly sees?: string;
  readonly findings?: readonly DoctorFinding[];
  /** What was seen, one line each; left out: it cannot be asked from outside of the service. */
  readonly saw?: (evidence: Evidence) => string;
}

/** A possible answer, why it is so, and the cure. */
export interface DoctorFinding {
  readonly see: string;
  readonly why: string;
  /** Empty: another question tells. */
  readonly cure: string;
  /** What was seen where this is the answer; undefined: it is not. Left out: a person has to look. */
  readonly found?: (evidence: Evidence) => string | undefined;
  /** Another question tells the cause, where there is an answer to it. */
  readonly leadsOn?: boolean;
  /** It is meant to be so: a cause only for the one who asks about this problem. */
  readonly byDesign?: boolean;
  /** The command that mends it. */
  readonly mend?: (evidence: Evidence) => string | undefined;
}

/** `users-1, users-2: why`; undefined without any. */
export function ids(found: readonly { readonly instance_id: string | null }[], why: string): string | undefined {
  const names = listed(found, ({ instance_id: id }) => id ?? 'the service', ', ');
  return names && `${names}: ${why}`;
}

/** A text for each, in one line; undefined without any. */
function listed<T>(found: readonly T[], textOf: (one: T) => string, separator = '; '): string | undefined {
  return found.length === 0 ? undefined : found.map(textOf).join(separator);
}

/** The instances of a kind of lease that were not renewed for more than half of their time. */
export function overdue(
  { instances, now }: Evidence,
  lease: ListedInstanceView['lease'],
): readonly ListedInstanceView[] {
  return instances.filter(
    (one) => one.lease === lease && one.expires_at !== undefined && Date.parse(one.expires_at) - now < one.ttl * 500,
  );
}

/**
 * The instances that the filters leave out at one of these stages.
 * @param some also where others take calls; else only where none does
 */
export function leftOutAt(
  { explanation }: Evidence,
  stages: readonly FilterStage[],
  { some = false }: { readonly some?: boolean } = {},
): string | undefined {
  const instances = explanation?.instances ?? [];
  if (!some && instances.some(({ taken }) => taken)) return undefined;
  const found = instances.filter(({ stage }) => stage !== undefined && stages.includes(stage));
  return listed(found, ({ instance_id: id, reason = 'left out' }) => `${id}: ${reason}`);
}

/** The unhealthy instances whose last check failed for such a reason. */
export function byReason({ instances }: Evidence, reason: RegExp): string | undefined {
  const found = instances.filter(
    ({ status, health }) => status === 'unhealthy' && health?.reason !== undefined && reason.test(health.reason),
  );
  return listed(found, ({ instance_id: id, health }) => `${id}: ${health!.reason}`);
}

/** The healthy instances whose address refuses connections from this machine. */
export function refusedHere(evidence: Evidence): string | undefined {
  const found = [...evidence.reach].filter(
    ([id, { connects, says }]) => !connects && says.includes('ECONNREFUSED') && isHealthy(evidence, id),
  );
  return listed(found, ([id, { says }]) => `${id}: ${says}, from this machine`);
}

export function circuitsIn(
  { circuits }: Evidence,
  isMeant: (circuit: CircuitBreakerBody) => boolean,
): string | undefined {
  const found = circuits.filter(isMeant);
  return listed(
    found,
    ({ instance_id: id, state, failures }) => `${id ?? 'the service'}: ${state} after ${counted(failures, 'failure')}`,
  );
}

export function isHealthy({ instances }: Evidence, instanceId: string | null): boolean {
  return instances.some(({ instance_id: id, status }) => id === instanceId && status === 'healthy');
}

export function strategyIn({ explanation }: Evidence, names: readonly string[]): string | undefined {
  return explanation && names.includes(explanation.strategy) ? `the strategy is ${explanation.strategy}` : undefined;
}

/** The last entries of the journal of such types, the newest first, one line each; undefined without any. */
export function told({ journal }: Evidence, types: readonly string[], most = 1): string | undefined {
  const found = journal.filter(({ type }) => types.includes(type)).slice(0, most);
  return listed(found, ({ at, text }) => `${at}: ${text}`, '\n');
}

/** How the last instance of a service that is not registered left; undefined where it left in another way. */
export function leftBy(
  { view, journal }: Evidence,
  how: 'instance.expired' | 'instance.deregistered',
): string | undefined {
  const last = journal.find(({ type }) => type === 'instance.expired' || type === 'instance.deregistered');
  return view || last?.type !== how ? undefined : `${last.at}: ${last.text}`;
}

/** The last action of an operator on an instance that is out of traffic, with its author and reason; undefined where none is. */
export function takenOut(evidence: Evidence): string | undefined {
  return mendStatus(evidence) && told(evidence, ['operator.acted']);
}

/** Ends maintenance or draining of the first instance that an operator took out. */
export function mendStatus({ service, instances }: Evidence): string | undefined {
  const out = instances.find(({ operator_status: status }) => status !== 'up');
  return out && `${COMMAND} up ${service} ${out.instance_id}`;
}

/** Releases the first circuit that an operator isolated. */
export function mendCircuit({ service, circuits }: Evidence): string | undefined {
  const isolated = circuits.find(({ state }) => state === 'isolated');
  return isolated && `${COMMAND} circuits ${[service, isolated.instance_id].filter(Boolean).join(' ')} --set automatic`;
}

/** How the picks of the process that was asked were spread, beside the shares that the weights would give. */
export function share({ picks, instances }: Evidence): string {
  const all = [...picks.values()].reduce((sum, count) => sum + count, 0);
  if (all === 0) return 'the process that was asked has not called it';
  const weights = instances.reduce((sum, { weight }) => sum + weight, 0);
  const percent = (part: number, whole: number): number => (whole === 0 ? 0 : Math.round((part / whole) * 100));
  return instances
    .map(
      ({ instance_id: id, weight }) =>
        `${id}: ${percent(picks.get(id) ?? 0, all)}% of ${all} picks, ${percent(weight, weights)}% by weight`,
    )
    .join('\n');
}
