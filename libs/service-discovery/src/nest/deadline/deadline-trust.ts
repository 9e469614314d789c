import { DEADLINE_KEY_HEADER, deadlineKeysOf } from '../../communicator/index.js';
import { isLocalRequest, type PeerRequest } from '../rest/local-request.js';
import { SharedToken } from '../rest/shared-token.js';

/** Whether a request without the token may bring a deadline: the app's own say. */
export type DeadlineCheck = (request: PeerRequest) => boolean;

/**
 * Whose deadlines are taken up. With a shared token: those of requests that show it or a key that stands for it, as the calls
 * of services with the same token do, and of requests from this machine. Without one: everybody's. A check of the app's
 * own takes the place of the machine, and of everybody.
 */
export class DeadlineTrust {
  /** What the calls of this process show; undefined without a token. */
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
