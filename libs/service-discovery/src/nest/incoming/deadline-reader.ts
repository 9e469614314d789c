import { type Clock } from '../../common/index.js';
import { DEADLINE_HEADER } from '../../communicator/index.js';
import { type PeerRequest } from '../rest/access/local-request.js';
import { type DeadlineTrust } from './deadline-trust.js';

/** Any time for centuries, and never more digits than a number holds exactly. */
const EPOCH_MS = /^\d{1,15}$/;

/**
 * The minimum time that a deadline leaves, in milliseconds. With less, calls would be started only to be cancelled,
 * each at the cost of a connection; and between machines it is hardly more than the clock difference.
 */
const FLOOR_MS = 100;

/** Reads the deadline of a request. */
export class DeadlineReader {
  constructor(
    private readonly clock: Clock,
    private readonly trust: DeadlineTrust,
  ) {}

  /**
   * A deadline in the past is ignored: the sender still waits by its own clock, or the request would not have arrived.
   * The clocks must differ, and every call would fail.
   * @returns milliseconds since the epoch; undefined without a deadline, or if it is malformed or not trusted
   */
  read(request: PeerRequest): number | undefined {
    const given = request.headers[DEADLINE_HEADER];
    if (typeof given !== 'string' || !EPOCH_MS.test(given)) return undefined;
    const deadline = Number(given);
    const now = this.clock.epoch();
    if (deadline <= now || !this.trust.accepts(request)) return undefined;
    return Math.max(deadline, Math.ceil(now + FLOOR_MS));
  }
}
