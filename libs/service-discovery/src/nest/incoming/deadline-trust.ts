import { DEADLINE_KEY_HEADER, deadlineKeysOf } from '../../communicator/index.js';
import { isLocalRequest, type PeerRequest } from '../rest/access/local-request.js';
import { SharedToken } from '../rest/access/shared-token.js';

/** The app's decision whether a request without the token may set a deadline. */
export type DeadlineCheck = (request: PeerRequest) => boolean;

/**
 * Decides whose deadlines are accepted. With a shared token: requests that carry it or a key derived from it, as calls
 * between services with the same token do, and local requests. Without a token: all requests. The app's own check
 * replaces the last two rules.
 */
export class DeadlineTrust {
  /** Sent with calls of this process; undefined without a token. */
  readonly key: string | undefined;
  private readonly keys: ReadonlySet<unknown>;
  private readonly token: SharedToken | undefined;

  /** @param tokens one token, or several separated by commas; undefined: none */
  constructor(
    tokens: string | undefined,
    private readonly check: DeadlineCheck | undefined,
  ) {
    const keys = tokens === undefined ? [] : deadlineKeysOf(tokens);
    this.key = keys[0];
    this.keys = new Set(keys);
    this.token = tokens === undefined ? undefined : new SharedToken(tokens);
  }

  accepts(request: PeerRequest): boolean {
    const { token, check } = this;
    const { headers } = request;
    if (this.keys.has(headers[DEADLINE_KEY_HEADER]) || token?.check(headers.authorization) === 'valid') return true;
    if (check) return check(request);
    return token === undefined || isLocalRequest(request);
  }
}
