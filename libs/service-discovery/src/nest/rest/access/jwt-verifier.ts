import type * as Jose from 'jose' with { 'resolution-mode': 'import' };
import {
  type Clock,
  custom,
  type GivenOptionsOf,
  messageOf,
  OptionGroup,
  required,
  type ResolvedOf,
  text,
} from '../../../common/index.js';
import { isLoopbackHost } from '../../../model/index.js';
import { type FindKey, KeySet, KeysUnavailableError } from './key-set.js';

/** How far the clocks of issuer and registry may differ, in seconds. */
const CLOCK_TOLERANCE_S = 5;

/** A token is not valid. */
export class InvalidJwtError extends Error {}

/** The claims of a valid token. */
export type JwtClaims = Jose.JWTPayload & Required<Pick<Jose.JWTPayload, 'iss' | 'sub'>>;

/** Whether a text has the form of a signed JSON web token. */
export function isJwt(text: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);
}

/** Verifies JSON web tokens: signature, issuer, audience, validity period. */
export class JwtVerifier {
  private constructor(
    private readonly options: ResolvedJwtOptions,
    private readonly clock: Clock,
    private readonly keys: KeySet,
    private readonly jose: typeof Jose,
  ) {}

  /** Loads `jose`, which only apps with `api.jwt` need. */
  static async create(options: ResolvedJwtOptions, clock: Clock): Promise<JwtVerifier> {
    const jose = await import('jose');
    const keys = new KeySet(options.jwks, { clock, createLocalJWKSet: jose.createLocalJWKSet });
    return new JwtVerifier(options, clock, keys, jose);
  }

  /** @throws InvalidJwtError; KeysUnavailableError */
  async verify(token: string): Promise<JwtClaims> {
    const { issuer, audience, algorithms } = this.options;
    try {
      const { payload } = await this.jose.jwtVerify(token, (header, jws) => this.keyFor(header, jws), {
        issuer,
        audience,
        algorithms: [...algorithms],
        requiredClaims: ['exp', 'sub'],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: new Date(this.clock.epoch()),
      });
      return payload as JwtClaims;
    } catch (error) {
      if (error instanceof KeysUnavailableError) throw error;
      throw new InvalidJwtError(messageOf(error), { cause: error });
    }
  }

  private async keyFor(...token: Parameters<FindKey>): ReturnType<FindKey> {
    const find = await this.keys.current();
    try {
      return await find(...token);
    } catch (error) {
      if (!(error instanceof this.jose.errors.JWKSNoMatchingKey)) throw error;
      return (await this.keys.current(true))(...token);
    }
  }
}

/** Asymmetric algorithms only: the registry must be able to verify tokens, but not to issue them. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

export const JWT_OPTIONS = new OptionGroup('api.jwt', {
  /** The issuer's public keys: the `https:` URL of a JWK set, `http:` on this machine only, or the path of a file. */
  jwks: required<string>({
    range: 'a URL or a path',
    read: (value, path, check) => {
      if (!isKeySource(value))
        check.problem(path, value, "an https: URL of the issuer's JWK set, or the path of a file");
      return value as string;
    },
  }),
  /** The accepted issuer: `iss` of the tokens. */
  issuer: text('a text'),
  /** The required audience: `aud` of the tokens. */
  audience: text('a text'),
  /** The accepted signature algorithms: `alg` of the tokens. */
  algorithms: custom<readonly string[]>({
    default: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    range: ALGORITHMS.map((name) => `\`${name}\``).join(', '),
    read: (value, path, check) => {
      const areKnown =
        Array.isArray(value) && value.length > 0 && value.every((one) => ALGORITHMS.includes(one as string));
      if (!areKnown) check.problem(path, value, `a list of ${ALGORITHMS.join(', ')}`);
      return value as readonly string[];
    },
  }),
});

/** Which JSON web tokens are valid. */
export interface JwtOptions extends GivenOptionsOf<typeof JWT_OPTIONS> {}

export type ResolvedJwtOptions = ResolvedOf<typeof JWT_OPTIONS>;

/** Over the network, keys must come by TLS: others may be forged. */
function isKeySource(value: unknown): boolean {
  if (typeof value !== 'string' || value === '') return false;
  if (!/^https?:/i.test(value)) return true;
  if (!URL.canParse(value)) return false;
  const { protocol, hostname } = new URL(value);
  return protocol === 'https:' || isLoopbackHost(hostname);
}
