import { type OptionValidator, TLS_OPTIONS } from '../../common/index.js';
import { isHost, isPath, isServiceName, isText, withoutBrackets } from '../field-checks.js';
import { findForbiddenHost } from '../forbidden-host.js';
import { type HttpProtocol } from '../protocol.js';
import { readBodyCondition } from './body-condition.js';
import { type HealthCheckForm, type HealthCheckRange } from './form.js';
import { readHeaders } from './headers.js';
import { CHECK_TYPES, type HealthCheckSpec, SAFE_METHODS } from './spec.js';
import { readStatuses } from './statuses.js';

/** Limits on the settings of a health check. */
export interface HealthCheckBounds {
  readonly intervalMs: HealthCheckRange;
  readonly timeoutMs: HealthCheckRange;
  readonly methods: readonly string[];
  /** Whether functions are allowed as body condition and as custom check. */
  readonly functions: boolean;
}

const DAY_MS = 86_400_000;

/** Limits for registrations: anyone may send one, and the checking process does the work. */
export const REGISTRATION_BOUNDS: HealthCheckBounds = {
  intervalMs: { minMs: 1_000, maxMs: DAY_MS },
  timeoutMs: { minMs: 10, maxMs: 60_000 },
  methods: SAFE_METHODS,
  functions: false,
};

/** Input for reading one field. */
interface FieldInput {
  readonly value: unknown;
  /** Relative to the prefix of the validator. */
  readonly path: string;
  readonly check: OptionValidator;
  readonly bounds: HealthCheckBounds;
  readonly form: HealthCheckForm;
}

type Fields = { readonly [Name in keyof Required<HealthCheckSpec>]: (input: FieldInput) => HealthCheckSpec[Name] };

/** Readers by field. */
export const FIELDS: Fields = {
  type: ({ value, path, check }) => check.oneOf(path, value, CHECK_TYPES),
  interval: readInterval,
  changingInterval: readInterval,
  downInterval: readInterval,
  idleInterval: readInterval,
  jitter: ({ value, path, check }) => check.number(path, value, { min: 0, max: 0.5 }),
  timeout: ({ value, path, check, bounds, form }) => form.readDuration(check, path, value, bounds.timeoutMs),
  rise: readCount,
  fall: readCount,
  httpFailures: readCountOrOff,
  tcpFailures: readCountOrOff,
  timeouts: readCountOrOff,
  port: ({ value, path, check }) => check.number(path, value, { min: 1, max: 65_535, integer: true }),
  protocol: ({ value, path, check }) => check.oneOf<HttpProtocol>(path, value, ['http', 'https']),
  tls: readTls,
  path: textField('a path that starts with "/", percent-encoded, without "..", query or fragment', isPath),
  method: ({ value, path, check, bounds }) => check.oneOf(path, value, bounds.methods),
  headers: ({ value, path, check }) => readHeaders(check, path, value),
  host: textField('a host name or IP address that a service may stand at, with or without a port', isHostHeader),
  healthyStatuses: ({ value, path, check }) => readStatuses(check, path, value),
  unhealthyStatuses: ({ value, path, check }) => readStatuses(check, path, value),
  body: readBody,
  grpcService: textField('a name of at most 256 printable characters, or "" for all that the server serves', (value) =>
    /^[\x21-\x7e]{0,256}$/.test(value),
  ),
  aliasOf: textField('the name of a service', isServiceName),
  probe: readProbe,
};

function readInterval({ value, path, check, bounds, form }: FieldInput): number {
  return form.readDuration(check, path, value, bounds.intervalMs);
}

function readCount({ value, path, check }: FieldInput): number {
  return check.number(path, value, { min: 1, max: 255, integer: true });
}

/** 0 means off. */
function readCountOrOff({ value, path, check }: FieldInput): number {
  return check.number(path, value, { min: 0, max: 255, integer: true });
}

function textField(expected: string, accepts: (text: string) => boolean): (input: FieldInput) => string {
  return ({ value, path, check }) => {
    if (!isText(value) || !accepts(value)) check.problem(path, value, expected);
    return value as string;
  };
}

/** The options of TLS that are not secret. */
function readTls({ value, path, check, form }: FieldInput): HealthCheckSpec['tls'] {
  const names = ['servername', 'rejectUnauthorized'] as const;
  const given = check.options<Record<string, unknown>>(path, value as object, {}, names.map(form.nameOf));
  return Object.fromEntries(
    names.flatMap((name) => {
      const own = given[form.nameOf(name)];
      if (own === undefined) return [];
      return [[name, TLS_OPTIONS.options[name].read(own, `${path}.${form.nameOf(name)}`, check)]];
    }),
  );
}

function readBody({ value, path, check, bounds }: FieldInput): HealthCheckSpec['body'] {
  if (bounds.functions && typeof value === 'function') return value as unknown as HealthCheckSpec['body'];
  return readBodyCondition(check, path, value);
}

function readProbe({ value, path, check, bounds }: FieldInput): string {
  if (bounds.functions && typeof value === 'function') return value as unknown as string;
  const isName = isText(value) && /^[\w.-]{1,64}$/.test(value);
  if (!isName) check.problem(path, value, 'the name of a probe: 1 to 64 letters, digits, ".", "_" or "-"');
  return value as string;
}

/** A name or an address, optionally with a port, that is valid in a URL. */
function isHostHeader(text: string): boolean {
  const [, host = '', port = '1'] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const number = Number(port);
  return isHost(host) && number >= 1 && number <= 65_535 && findForbiddenHost(withoutBrackets(host)) === undefined;
}
