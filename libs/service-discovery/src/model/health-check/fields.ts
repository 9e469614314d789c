import {
  type DurationRange,
  HEADER_NAME,
  isHopByHop,
  isRecord,
  msOf,
  type OptionValidator,
  snakeCase,
  TLS_OPTIONS,
} from '../../common/index.js';
import { isHost, isPath, isServiceName, isText, withoutBrackets } from '../field-checks.js';
import { findForbiddenHost } from '../forbidden-host.js';
import { type HttpProtocol } from '../protocol.js';
import {
  type BodyCondition,
  CHECK_TYPES,
  type HealthCheckSpec,
  type JsonScalar,
  SAFE_METHODS,
  type StatusRange,
} from './spec.js';

type HealthCheckRange = Required<Pick<DurationRange, 'minMs' | 'maxMs'>>;

/** Spelling of health check fields in a source or target. */
export interface HealthCheckForm {
  nameOf: (field: string) => string;
  /** The milliseconds of a duration; NaN, and a problem, if it is not a duration within the range. */
  readDuration(check: OptionValidator, path: string, value: unknown, range: HealthCheckRange): number;
  writeDuration(ms: number): number;
}

/** In TypeScript: `downInterval: '5s'`. */
export const CODE_FORM: HealthCheckForm = {
  nameOf: (field) => field,
  readDuration: (check, path, value, range) => check.duration(path, value, range),
  writeDuration: (ms) => ms,
};

/** As stored in a registry, in milliseconds: `downInterval: 5000`. */
export const KEPT_FORM: HealthCheckForm = {
  ...CODE_FORM,
  readDuration: (check, path, value, range) => check.duration(path, value, { ...range, usuallyMs: true }),
};

/** In the REST API: `down_interval: 5`. */
export const WIRE_FORM: HealthCheckForm = {
  nameOf: snakeCase,
  readDuration: (check, path, value, { minMs, maxMs }) => {
    const ms = typeof value === 'number' ? msOf(value * 1_000) : Number.NaN;
    if (ms >= minMs && ms <= maxMs) return ms;
    check.problem(path, value, `a number of seconds from ${minMs / 1_000} to ${maxMs / 1_000}`);
    return Number.NaN;
  },
  writeDuration: (ms) => ms / 1_000,
};

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

/** Ranges that hold for registrations and for options alike. */
export const CHECK_RANGES = {
  jitter: { min: 0, max: 0.5 },
  threshold: { min: 1, max: 255, integer: true },
  /** 0 means off. */
  thresholdOfKind: { min: 0, max: 255, integer: true },
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
  jitter: ({ value, path, check }) => check.number(path, value, CHECK_RANGES.jitter),
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
  healthyStatuses: ({ value, path, check }) => readStatuses(value, path, check),
  unhealthyStatuses: ({ value, path, check }) => readStatuses(value, path, check),
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
  return check.number(path, value, CHECK_RANGES.threshold);
}

function readCountOrOff({ value, path, check }: FieldInput): number {
  return check.number(path, value, CHECK_RANGES.thresholdOfKind);
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

const TEXT_LIMIT = 1_024;
const PATH_LIMIT = 256;
const LIST_LIMIT = 32;

/** Parses a body condition in JSON form. */
function readBodyCondition(check: OptionValidator, path: string, given: unknown): BodyCondition {
  const fields = isRecord(given) ? given : {};
  const names = Object.keys(fields).sort().join();
  if (names !== 'contains' && names !== 'equals,path') {
    check.problem(path, given, "{ contains: 'text' } or { path: 'a.place', equals: 'value' }");
    return given as BodyCondition;
  }
  const { contains, path: place, equals } = fields;
  if (names === 'contains') {
    if (!isTextUpTo(contains, TEXT_LIMIT)) check.problem(`${path}.contains`, contains, textOf(TEXT_LIMIT));
    return { contains: contains as string };
  }
  if (!isTextUpTo(place, PATH_LIMIT)) check.problem(`${path}.path`, place, textOf(PATH_LIMIT));
  const values: readonly unknown[] = Array.isArray(equals) ? equals : [equals];
  if (values.length === 0 || values.length > LIST_LIMIT || !values.every(isScalar)) {
    check.problem(
      `${path}.equals`,
      equals,
      `a text, a number, true, false or null, or a list of 1 to ${LIST_LIMIT} of them`,
    );
  }
  return { path: place as string, equals: equals as JsonScalar };
}

function isTextUpTo(value: unknown, limit: number): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= limit;
}

function textOf(limit: number): string {
  return `a text of 1 to ${limit} characters`;
}

function isScalar(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= TEXT_LIMIT;
  return value === null || typeof value === 'boolean' || Number.isFinite(value);
}

const HEADER_LIMIT = 32;
const NAME_LIMIT = 64;
const VALUE_LIMIT = 1_024;
const TOTAL_LIMIT_BYTES = 8_192;

/** Headers for routing and framing, beside those for a single hop. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set(['accept-encoding', 'expect', 'host']);

/** Parses headers, with lower-case names. Problems never show a value: it may be a secret. */
function readHeaders(check: OptionValidator, path: string, given: unknown): Record<string, string> {
  if (!isRecord(given)) {
    check.problem(path, '***', 'an object of header values by name');
    return {};
  }
  const entries = Object.entries(given);
  const size = entries.reduce((sum, [name, value]) => sum + name.length + String(value).length, 0);
  if (entries.length > HEADER_LIMIT || size > TOTAL_LIMIT_BYTES) {
    check.problem(path, '***', `at most ${HEADER_LIMIT} headers of ${TOTAL_LIMIT_BYTES} bytes in all`);
    return {};
  }
  const headers = new Map<string, string>();
  for (const [name, value] of entries) {
    const expected = findProblem(name, value, headers);
    if (expected) check.problem(`${path}.${name}`, '***', expected);
    else headers.set(name.toLowerCase(), value as string);
  }
  return Object.fromEntries(headers);
}

/** What is allowed instead; undefined if the header is valid. */
function findProblem(name: string, value: unknown, before: ReadonlyMap<string, string>): string | undefined {
  if (!HEADER_NAME.test(name) || name.length > NAME_LIMIT) {
    return `the name of a header, of at most ${NAME_LIMIT} letters, digits and dashes`;
  }
  if (name.toLowerCase() === 'host') return 'no header of this name: the host has an option of its own';
  const lowerCase = name.toLowerCase();
  if (OF_THE_CONNECTION.has(lowerCase) || isHopByHop(lowerCase))
    return 'no header of this name: it belongs to the connection';
  if (before.has(name.toLowerCase())) return 'each header once, whatever its case';
  if (typeof value !== 'string' || value.length > VALUE_LIMIT || !/^[\t\x20-\x7e]*$/.test(value)) {
    return `a text of at most ${VALUE_LIMIT} printable ASCII characters`;
  }
  return undefined;
}

const STATUS_LIMIT = 64;

export function readStatuses(given: unknown, path: string, check: OptionValidator): StatusRange[] {
  if (!Array.isArray(given) || given.length === 0 || given.length > STATUS_LIMIT) {
    check.problem(path, given, `a list of 1 to ${STATUS_LIMIT} status codes and [from, to] ranges`);
    return [];
  }
  (given as unknown[]).forEach((entry, index) => {
    const [from, to, ...rest] = Array.isArray(entry) ? (entry as unknown[]) : [entry, entry];
    if (isStatus(from) && isStatus(to) && from <= to && rest.length === 0) return;
    check.problem(`${path}[${index}]`, entry, 'a status from 200 to 599, or a range [from, to] of them');
  });
  return given as StatusRange[];
}

/** Converts all entries to ranges. */
export function toRanges(statuses: readonly StatusRange[]): (readonly [from: number, to: number])[] {
  return statuses.map((entry) => (typeof entry === 'number' ? [entry, entry] : entry));
}

/** Whether the two lists have a status in common. */
export function overlap(some: readonly StatusRange[], others: readonly StatusRange[]): boolean {
  return toRanges(some).some(([from, to]) => toRanges(others).some(([first, last]) => from <= last && first <= to));
}

function isStatus(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599;
}
