import type * as Jose from 'jose' with { 'resolution-mode': 'import' };
import { type Clock, messageOf } from '../../../common/index.js';
import { type ResolvedJwtOptions } from './jwt-options.js';
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

/** Checks JSON web tokens: the signature, the issuer, the audience, the time. */
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
