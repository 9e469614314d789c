import { OptionValidator, type Problem } from '../../common/index.js';
import {
  CODE_FORM,
  FIELDS,
  type HealthCheckBounds,
  type HealthCheckForm,
  KEPT_FORM,
  overlap,
  REGISTRATION_BOUNDS,
} from './fields.js';
import { type HealthCheckSpec } from './spec.js';

/** Fields that apply to a single type of check. */
const FIELDS_OF_TYPE: Readonly<Record<string, readonly (keyof HealthCheckSpec)[]>> = {
  http: ['path', 'method', 'headers', 'host', 'healthyStatuses', 'unhealthyStatuses', 'body'],
  grpc: ['grpcService'],
  alias: ['aliasOf'],
  custom: ['probe'],
};

/** Fields required by a type of check. */
const REQUIRED_BY_TYPE: Readonly<Record<string, keyof HealthCheckSpec>> = { alias: 'aliasOf', custom: 'probe' };

export const HEALTH_CHECK_FIELD_NAMES = Object.keys(FIELDS) as readonly (keyof HealthCheckSpec)[];

/**
 * Reads the valid fields of a health check, durations in milliseconds; reports the others as problems.
 * @param bounds limits for this source
 */
export function readHealthCheck(
  given: unknown,
  check: OptionValidator,
  form: HealthCheckForm,
  bounds: HealthCheckBounds = REGISTRATION_BOUNDS,
): HealthCheckSpec {
  const values = check.options<Record<string, unknown>>(
    '',
    given as Record<string, unknown>,
    {},
    HEALTH_CHECK_FIELD_NAMES.map(form.nameOf),
  );
  const spec: Record<string, unknown> = {};
  for (const name of HEALTH_CHECK_FIELD_NAMES) {
    const path = form.nameOf(name);
    const value = values[path];
    if (value === undefined) continue;
    const problems = check.problems.length;
    const read = FIELDS[name]({ value, path, check, bounds, form });
    if (check.problems.length === problems) spec[name] = read;
  }
  checkType(spec, check, form);
  return spec;
}

/** Reads a stored health check; fields of a newer version are ignored. */
export function recallHealthCheck(kept: unknown, form: HealthCheckForm = KEPT_FORM): HealthCheckSpec {
  const check = new OptionValidator();
  return check.checked(readHealthCheck(kept, check, form));
}

/** All problems with a service's health check settings. @param path where they stand */
export function findHealthCheckProblems(
  given: unknown,
  path: string,
  serviceName: unknown,
  form: HealthCheckForm = CODE_FORM,
): Problem[] {
  const check = new OptionValidator(path);
  const { aliasOf } = readHealthCheck(given, check, form);
  if (aliasOf !== undefined && aliasOf === serviceName) {
    check.problem(form.nameOf('aliasOf'), aliasOf, 'another service than its own');
  }
  return check.problems;
}

/** Writes a health check in another form. */
export function writeHealthCheck(spec: HealthCheckSpec, form: HealthCheckForm): Record<string, unknown> {
  const isDuration = (name: string): boolean => name === 'timeout' || /interval$/i.test(name);
  const written = (name: string, value: unknown): unknown => {
    if (isDuration(name)) return form.writeDuration(value as number);
    if (name !== 'tls') return value;
    return Object.fromEntries(
      Object.entries(value as object).map(([inner, own]) => [form.nameOf(inner), own as unknown]),
    );
  };
  return Object.fromEntries(Object.entries(spec).map(([name, value]) => [form.nameOf(name), written(name, value)]));
}

/** Reports fields that do not belong together. */
function checkType(spec: HealthCheckSpec, check: OptionValidator, form: HealthCheckForm): void {
  const { type, method, body, healthyStatuses: healthy = [], unhealthyStatuses: unhealthy = [] } = spec;
  for (const [owner, fields] of Object.entries(FIELDS_OF_TYPE)) {
    // Without a type, it is HTTP or TCP.
    if (type === owner || (type === undefined && owner === 'http')) continue;
    for (const field of fields) {
      if (spec[field] === undefined) continue;
      const expected = `nothing: it belongs to the type ${owner}`;
      check.problem(form.nameOf(field), field === 'headers' ? '***' : spec[field], expected);
    }
  }
  const required = type && REQUIRED_BY_TYPE[type];
  if (required && spec[required] === undefined) {
    const known = check.problems.some(({ path }) => path === check.pathOf(form.nameOf(required)));
    if (!known) check.problem(form.nameOf(required), undefined, `a value, as the type ${type} needs one`);
  }
  if (method === 'HEAD' && body !== undefined) check.problem(form.nameOf('body'), body, 'nothing: HEAD has no body');
  if (overlap(healthy, unhealthy)) {
    check.problem(form.nameOf('unhealthyStatuses'), unhealthy, 'statuses that are not among the healthy ones');
  }
}
