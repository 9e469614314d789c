/** How a caller has shown who it is. */
export type CallerKind = 'shared-token' | 'guard' | 'local' | 'token' | 'jwt' | 'certificate';

/** Who sent a request. */
export interface Caller {
  readonly kind: CallerKind;
  /**
   * Equal for all requests of one caller: `shared-token`; `guard`, let in by a guard of the app; `local`, from this machine;
   * `token:<name>`, `token:<hash>`; `jwt:<issuer>#<subject>`; `spiffe://…`; `subject:CN=…,O=…`.
   */
  readonly id: string;
  /** Of a JSON web token. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

export const SHARED_TOKEN_CALLER: Caller = { kind: 'shared-token', id: 'shared-token' };
export const GUARD_CALLER: Caller = { kind: 'guard', id: 'guard' };
export const LOCAL_CALLER: Caller = { kind: 'local', id: 'local' };
