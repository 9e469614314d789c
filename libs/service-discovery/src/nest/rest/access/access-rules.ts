import { isRecord, type Problem, readTokens, TOKENS_RULE, unknownOption } from '../../../common/index.js';
import { API_RIGHTS, type ApiRight } from '../../../model/index.js';

/** The rights that a rule grants. */
export interface AccessRights {
  /**
   * - `read`: look up, list and watch services
   * - `register`: register instances; renew, remove and set the status of the caller's own instances
   * - `operate`: renew, remove and set the status of every caller's instances, and force circuits
   */
  readonly may: readonly ApiRight[];
  /**
   * Names of services, in which `*` stands for any characters.
   * @default all services
   */
  readonly services?: readonly string[];
}

/** Callers with a token. */
export interface TokenAccess extends AccessRights {
  /** Sent as `Authorization: Bearer <token>`. Several tokens, separated by commas, allow rotation without an interruption. */
  readonly token: string;
  /**
   * Names these callers as owners of instances and in messages: `token:<name>`. Without it, a hash of the token is used.
   */
  readonly name?: string;
}

/** Callers with a JSON web token, see `api.jwt`. */
export interface JwtAccess extends AccessRights {
  /**
   * Required claims, all of which must match: a value, or a list of alternatives; `*` stands for any characters except a
   * slash. A claim that is a list, and `scope`, which is split into words, match if one of their values does.
   */
  readonly jwt: Readonly<Record<string, string | readonly string[]>>;
}

/** Callers whose client certificate is a SPIFFE identity. */
interface SpiffeAccess extends AccessRights {
  /** Such as `spiffe://shop.internal/ns/prod/sa/*`; `*` stands for any characters except a slash. */
  readonly spiffe: string;
}

/** Callers with a client certificate for a subject. */
interface SubjectAccess extends AccessRights {
  /** Required attributes, all of which must match: `{ CN: 'orders', O: 'shop' }`; `*` as in `spiffe`. */
  readonly subject: Readonly<Record<string, string>>;
}

/** One rule of `api.access`: a credential, and the rights of callers who have it. */
export type AccessRule = TokenAccess | JwtAccess | SpiffeAccess | SubjectAccess;

const CREDENTIALS = ['token', 'jwt', 'spiffe', 'subject'] as const;
const NAMES = [...CREDENTIALS, 'name', 'may', 'services'];
/** Characters of the names of services, and the wildcard. */
const SERVICE_PATTERN = /^[A-Za-z0-9._*-]{1,128}$/;
const NAME_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
const SPIFFE_PATTERN = /^spiffe:\/\/[a-z0-9._*-]+(?:\/[A-Za-z0-9._*-]+)*$/;

/**
 * Everything that is wrong with the rules.
 * @param path where they stand, such as `api.access`
 */
export function findAccessProblems(
  rules: unknown,
  path: string,
  api: { readonly token?: string; readonly jwt?: unknown },
): Problem[] {
  if (rules === undefined) return [];
  if (!Array.isArray(rules)) return [{ path, value: '***', expected: 'a list of rules' }];
  const shared = new Set(readTokens(api.token));
  return rules.flatMap((rule: unknown, index) => findRuleProblems(rule, `${path}[${index}]`, shared, api.jwt));
}

function findRuleProblems(rule: unknown, path: string, shared: ReadonlySet<string>, jwt: unknown): Problem[] {
  if (!isRecord(rule)) return [{ path, value: '***', expected: 'a rule: a credential, and what its callers may do' }];
  const problems: Problem[] = [];
  const expect = (ok: boolean, name: string, value: unknown, expected: string): void => {
    if (!ok) problems.push({ path: [path, name].filter(Boolean).join('.'), value, expected });
  };
  for (const [name, value] of Object.entries(rule)) {
    if (!NAMES.includes(name)) problems.push(unknownOption(`${path}.${name}`, name, value, NAMES));
  }
  const given = CREDENTIALS.filter((name) => rule[name] !== undefined);
  expect(given.length === 1, '', given.join(', '), `one of ${CREDENTIALS.join(', ')}`);
  const { token, name, may, services, spiffe, subject } = rule;
  if (token !== undefined) {
    const tokens = readTokens(token);
    expect(tokens !== undefined, 'token', '***', TOKENS_RULE);
    const isShared = tokens?.some((one) => shared.has(one)) ?? false;
    expect(!isShared, 'token', '***', 'a token that is not in api.token, whose holders may do everything');
  }
  const isName = name === undefined || (typeof name === 'string' && NAME_PATTERN.test(name) && token !== undefined);
  expect(isName, 'name', name, 'up to 64 letters, digits, ".", "_" or "-", beside a token');
  if (rule.jwt !== undefined) {
    expect(hasTexts(rule.jwt, true), 'jwt', rule.jwt, "claims and their values, such as { sub: 'orders' }");
    expect(jwt !== undefined, 'jwt', rule.jwt, 'the option api.jwt, which says whose tokens are valid');
  }
  const isSpiffe = spiffe === undefined || (typeof spiffe === 'string' && SPIFFE_PATTERN.test(spiffe));
  expect(isSpiffe, 'spiffe', spiffe, 'a SPIFFE ID such as spiffe://shop.internal/orders, in which * may stand');
  const isSubject = subject === undefined || hasTexts(subject, false);
  expect(isSubject, 'subject', subject, "attributes of a subject, such as { CN: 'orders' }");
  const isMay = Array.isArray(may) && may.length > 0 && may.every((one) => API_RIGHTS.includes(one as ApiRight));
  expect(isMay, 'may', may, `a list of ${API_RIGHTS.join(', ')}`);
  const isServices = services === undefined || (Array.isArray(services) && services.every(isServicePattern));
  expect(isServices, 'services', services, "a list of names of services, such as 'orders' or 'orders-*'");
  return problems;
}

function isServicePattern(value: unknown): boolean {
  return typeof value === 'string' && SERVICE_PATTERN.test(value);
}

function hasTexts(value: unknown, lists: boolean): boolean {
  if (!isRecord(value) || Object.keys(value).length === 0) return false;
  const isText = (one: unknown): boolean => typeof one === 'string' && one !== '';
  return Object.values(value).every((one) => isText(one) || (lists && Array.isArray(one) && one.every(isText)));
}
