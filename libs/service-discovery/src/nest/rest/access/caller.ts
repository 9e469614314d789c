/** How a caller was authenticated. */
export type CallerKind = 'shared-token' | 'guard' | 'local' | 'token' | 'jwt' | 'certificate';

/** Who sent a request. */
export interface Caller {
  readonly kind: CallerKind;
  /**
   * Equal for all requests of one caller: `shared-token`; `guard`, let in by a guard of the app; `local`, from this machine;
   * `token:<name>`, `token:<hash>`; `jwt:<issuer>#<subject>`; `spiffe://…`; `subject:CN=…,O=…`.
   */
  readonly id: string;
  /** The claims of its JSON web token. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

export const SHARED_TOKEN_CALLER: Caller = { kind: 'shared-token', id: 'shared-token' };
export const GUARD_CALLER: Caller = { kind: 'guard', id: 'guard' };
export const LOCAL_CALLER: Caller = { kind: 'local', id: 'local' };

/** Whether a text matches a pattern, in which `*` stands for any characters except a slash. Takes linear time. */
export function matches(pattern: string, text: string): boolean {
  const patterns = pattern.split('/');
  const segments = text.split('/');
  return patterns.length === segments.length && patterns.every((part, index) => matchesSegment(part, segments[index]!));
}

function matchesSegment(pattern: string, text: string): boolean {
  const [start = '', ...middle] = pattern.split('*');
  const end = middle.pop();
  if (end === undefined) return pattern === text;
  const endsAt = text.length - end.length;
  if (!text.startsWith(start) || !text.endsWith(end) || endsAt < start.length) return false;
  let from = start.length;
  for (const part of middle) {
    const at = text.indexOf(part, from);
    if (at < 0 || at + part.length > endsAt) return false;
    from = at + part.length;
  }
  return true;
}
