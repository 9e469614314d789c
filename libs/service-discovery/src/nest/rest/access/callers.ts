import { createHash } from 'node:crypto';
import { type PeerCertificate } from 'node:tls';
import { readTokens, spiffeIdOf } from '../../../common/index.js';
import { type AccessRule, type JwtAccess, type TokenAccess } from './access-rules.js';
import { type Caller, matches, SHARED_TOKEN_CALLER } from './caller.js';
import { InvalidJwtError, isJwt, type JwtClaims, type JwtVerifier } from './jwt-verifier.js';
import { type PeerRequest } from './local-request.js';
import { Rights } from './rights.js';
import { bearerOf, SharedToken } from './shared-token.js';

/** A caller, and what it may do. */
export interface Identified {
  readonly caller: Caller;
  /** Of the tokens that the caller's replaces: what was registered with them is its own. */
  readonly formerIds?: readonly string[];
  readonly rights: Rights;
}

/** What a request shows of its caller: the caller, why its credential is not valid, or nothing. */
export type Shown = Identified | InvalidCredential | undefined;

/** A credential that names no caller. */
export interface InvalidCredential {
  /** What is wrong with it. */
  readonly invalid: string;
  /** Whether the caller may get a valid one from its issuer. */
  readonly isRenewable?: boolean;
}

export interface CallersDeps {
  readonly token?: string;
  readonly rules?: readonly AccessRule[];
  readonly jwt?: JwtVerifier;
  /** Of callers who show who they are, where no rules say what they may do. */
  readonly rightsWithoutRules: Rights;
}

const WRONG_TOKEN =
  "The token of the request is none of the registry's: send one that is in its `api.token` (SERVICE_DISCOVERY_TOKEN).";
const WRONG_CREDENTIAL =
  "The token of the request is none of the registry's: send one that its `api.token` or `api.access` names.";

/** A rule for tokens, whose tokens are kept as hashes. */
interface TokenRule {
  readonly rule: TokenAccess;
  readonly token: SharedToken;
  readonly ids: readonly string[];
}

/** Finds out who sent a request, by its token, its JSON web token or its client certificate. */
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

  /** @throws KeysUnavailableError if the request shows a JSON web token and no key is there to check it */
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

/** Whether a token has a value that a rule takes in each claim that the rule names. */
function hasClaims(claims: JwtClaims, wanted: JwtAccess['jwt']): boolean {
  return Object.entries(wanted).every(([name, patterns]) => {
    const values = valuesOf(name, Object.hasOwn(claims, name) ? claims[name] : undefined);
    return [patterns].flat().some((pattern) => values.some((value) => matches(pattern, value)));
  });
}

/** The scopes of a token are words in one text (RFC 8693, 4.2). */
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

/** Tells tokens apart, and says nothing of them: they are long and random. */
function shortHash(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 12);
}

/** The identity in a client certificate. */
interface CertificateIdentity {
  /** The SPIFFE ID, else the subject: `subject:CN=orders,O=shop`. */
  readonly id: string;
  /** Undefined without one, and where there is another URI beside it. */
  readonly spiffe: string | undefined;
  readonly subject: Readonly<Record<string, unknown>>;
}

/** What the TLS socket of a request adds to a plain one. */
interface TlsSocketLike {
  readonly authorized?: boolean;
  getPeerCertificate?(): Partial<PeerCertificate>;
}

/** The identity in a request's client certificate; undefined unless an authority that the TLS server trusts has issued it. */
function readClientCertificate({ socket }: PeerRequest): CertificateIdentity | undefined {
  const tls = socket as TlsSocketLike | undefined;
  if (tls?.authorized !== true) return undefined;
  const { subject, subjectaltname } = tls.getPeerCertificate?.() ?? {};
  if (!subject) return undefined;
  const spiffe = spiffeIdOf({ subjectaltname });
  return { id: spiffe ?? subjectId(subject), spiffe, subject };
}

/** Whether a subject has all attributes that a rule names. */
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
