import { createHash } from 'node:crypto';
import { type PeerCertificate } from 'node:tls';
import { readTokens, spiffeIdOf } from '../../../common/index.js';
import { type AccessRule, type JwtAccess, type TokenAccess } from './access-rules.js';
import { type Caller, matches, SHARED_TOKEN_CALLER } from './caller.js';
import { InvalidJwtError, isJwt, type JwtClaims, type JwtVerifier } from './jwt-verifier.js';
import { type PeerRequest } from './local-request.js';
import { Rights } from './rights.js';
import { bearerOf, SharedToken } from './shared-token.js';

/** An authenticated caller and its rights. */
export interface Identified {
  readonly caller: Caller;
  /** Ids of the same caller under rotated tokens: instances registered with those belong to it, too. */
  readonly formerIds?: readonly string[];
  readonly rights: Rights;
}

/** The result of authentication: the caller, an invalid credential, or undefined without a credential. */
export type Shown = Identified | InvalidCredential | undefined;

/** A credential that matches no caller. */
export interface InvalidCredential {
  /** Why it is invalid. */
  readonly invalid: string;
  /** Whether the caller may get a valid one from its issuer. */
  readonly isRenewable?: boolean;
}

export interface CallersDeps {
  readonly token?: string;
  readonly rules?: readonly AccessRule[];
  readonly jwt?: JwtVerifier;
  /** The rights of authenticated callers if there are no rules. */
  readonly rightsWithoutRules: Rights;
}

const WRONG_TOKEN =
  "The token of the request is none of the registry's: send one that is in its `api.token` (SERVICE_DISCOVERY_TOKEN).";
const WRONG_CREDENTIAL =
  "The token of the request is none of the registry's: send one that its `api.token` or `api.access` names.";

/** A rule for tokens, of which only hashes are kept. */
interface TokenRule {
  readonly rule: TokenAccess;
  readonly token: SharedToken;
  readonly ids: readonly string[];
}

/** Authenticates requests by token, JSON web token or client certificate. */
export class Callers {
  private readonly shared: SharedToken | undefined;
  private readonly tokens: readonly TokenRule[];

  constructor(private readonly deps: CallersDeps) {
    this.shared = deps.token === undefined ? undefined : new SharedToken(deps.token);
    this.tokens = (deps.rules ?? []).filter(isTokenRule).map((rule) => ({
      rule,
      token: new SharedToken(rule.token),
      ids: (readTokens(rule.token) ?? []).map((token) => `token:${rule.name ?? shortHash(token)}`),
    }));
  }

  /** @throws KeysUnavailableError if the keys to verify the request's JSON web token cannot be read */
  async find(request: PeerRequest): Promise<Shown> {
    const bearer = bearerOf(request.headers.authorization);
    return bearer === undefined ? this.byCertificate(request) : this.byBearer(bearer);
  }

  private async byBearer(bearer: string): Promise<Shown> {
    const { jwt, rules } = this.deps;
    if (this.shared && this.shared.indexOf(bearer) >= 0) return { caller: SHARED_TOKEN_CALLER, rights: Rights.all };
    const known = this.tokens.flatMap(({ rule, token, ids }) => {
      const id = ids[token.indexOf(bearer)];
      return id === undefined ? [] : [{ rule, id, ids }];
    });
    const [first] = known;
    if (first) {
      const rights = new Rights(known.map(({ rule }) => rule));
      return { caller: { kind: 'token', id: first.id }, formerIds: first.ids, rights };
    }
    if (jwt && isJwt(bearer)) return this.byJwt(jwt, bearer);
    if (rules) return { invalid: WRONG_CREDENTIAL };
    return this.shared || jwt ? { invalid: WRONG_TOKEN } : undefined;
  }

  private async byJwt(jwt: JwtVerifier, bearer: string): Promise<Shown> {
    try {
      const claims = await jwt.verify(bearer);
      const caller = { kind: 'jwt', id: `jwt:${claims.iss}#${claims.sub}`, claims } as const;
      return { caller, rights: this.rightsBy((rule) => 'jwt' in rule && hasClaims(claims, rule.jwt)) };
    } catch (error) {
      if (!(error instanceof InvalidJwtError)) throw error;
      return { invalid: `The JSON web token of the request is not valid: ${error.message}.`, isRenewable: true };
    }
  }

  private byCertificate(request: PeerRequest): Shown {
    const { rules } = this.deps;
    const isAsked = rules
      ? rules.some((rule) => 'spiffe' in rule || 'subject' in rule)
      : !this.deps.rightsWithoutRules.areNone;
    const certificate = isAsked ? readClientCertificate(request) : undefined;
    if (!certificate) return undefined;
    const { id, spiffe, subject } = certificate;
    const isOf = (rule: AccessRule): boolean =>
      'spiffe' in rule
        ? spiffe !== undefined && matches(rule.spiffe, spiffe)
        : 'subject' in rule && hasAttributes(subject, rule.subject);
    return { caller: { kind: 'certificate', id }, rights: this.rightsBy(isOf) };
  }

  private rightsBy(isOf: (rule: AccessRule) => boolean): Rights {
    const { rules, rightsWithoutRules } = this.deps;
    return rules ? new Rights(rules.filter(isOf)) : rightsWithoutRules;
  }
}

/** Whether a token has a matching value for every claim of a rule. */
function hasClaims(claims: JwtClaims, wanted: JwtAccess['jwt']): boolean {
  return Object.entries(wanted).every(([name, patterns]) => {
    const values = valuesOf(name, Object.hasOwn(claims, name) ? claims[name] : undefined);
    return [patterns].flat().some((pattern) => values.some((value) => matches(pattern, value)));
  });
}

/** The values of a claim; `scope` is a list separated by spaces (RFC 8693, 4.2). */
function valuesOf(name: string, claim: unknown): string[] {
  if (name === 'scope' && typeof claim === 'string') return claim.split(' ');
  return [claim]
    .flat()
    .filter((value) => ['string', 'number', 'boolean'].includes(typeof value))
    .map(String);
}

function isTokenRule(rule: AccessRule): rule is TokenAccess {
  return 'token' in rule;
}

/** Distinguishes tokens without revealing them: they are long and random. */
function shortHash(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 12);
}

/** The identity in a client certificate. */
interface CertificateIdentity {
  /** The SPIFFE ID, else the subject: `subject:CN=orders,O=shop`. */
  readonly id: string;
  /** Undefined if the certificate has none, or another URI besides it. */
  readonly spiffe: string | undefined;
  readonly subject: Readonly<Record<string, unknown>>;
}

/** The part of a `TLSSocket` that is used here. */
interface TlsSocketLike {
  readonly authorized?: boolean;
  getPeerCertificate?(): Partial<PeerCertificate>;
}

/** The identity in a request's client certificate; undefined unless the TLS server has verified it. */
function readClientCertificate({ socket }: PeerRequest): CertificateIdentity | undefined {
  const tls = socket as TlsSocketLike | undefined;
  if (tls?.authorized !== true) return undefined;
  const { subject, subjectaltname } = tls.getPeerCertificate?.() ?? {};
  if (!subject) return undefined;
  const spiffe = spiffeIdOf({ subjectaltname });
  return { id: spiffe ?? subjectId(subject), spiffe, subject };
}

/** Whether a subject matches all attributes of a rule. */
function hasAttributes(subject: CertificateIdentity['subject'], wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, pattern]) => {
    const value = Object.hasOwn(subject, name) ? subject[name] : undefined;
    return [value].flat().some((one) => typeof one === 'string' && matches(pattern, one));
  });
}

/** Values are escaped, so that one attribute cannot pass for several. */
function subjectId(subject: object): string {
  const attributes = Object.entries(subject).flatMap(([name, value]: [string, unknown]) =>
    [value].flat().map((one) => `${name}=${encodeURIComponent(String(one))}`),
  );
  return `subject:${attributes.join(',')}`;
}
