import { randomUUID } from 'node:crypto';
import { boolean, custom, OptionGroup, type OptionsOf, type ResolvedOf } from '../../common/index.js';
import { type EventIds } from '../../model/index.js';
import { headerFault } from '../../transport/index.js';
import { type PeerRequest } from '../rest/access/local-request.js';

/** The id that requests carry through all services that work for them. */
export const REQUEST_ID_OPTIONS = new OptionGroup('requestId', {
  /** The header that it is taken from, and passed on in. @default 'x-request-id' */
  header: custom<string>({
    default: 'x-request-id',
    range: 'the name of a header',
    read: (value, path, check) => {
      if (typeof value === 'string' && headerFault(value, '') === undefined) return value.toLowerCase();
      check.problem(path, value, 'the name of a header, such as "x-request-id"');
      return '';
    },
  }),
  /**
   * Whether a request without an id gets one, a random UUID. Every request then has something to carry, which on Node 20 and 22
   * costs as much as a deadline does.
   * @default false
   */
  create: boolean({ default: false }),
});

export interface RequestIdOptions extends OptionsOf<typeof REQUEST_ID_OPTIONS> {}

/** What a request passes on to the calls made for it, and the ids that its events and log lines have. */
export interface PassedOn {
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly ids: EventIds;
}

/** Neither breaks a log line nor a header, and is short enough to be repeated in each. */
const REQUEST_ID = /^[!-~]{1,128}$/;
/** W3C Trace Context, level 1: version, trace id, parent id, flags; later versions may add fields. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-[!-~]{0,64})?$/;
const PRINTABLE = /^[\t -~]+$/;
/** The lengths up to which the W3C asks that they be passed on. */
const MAX_TRACESTATE = 512;
const MAX_BAGGAGE = 8_192;

const NO_HEADERS: PeerRequest['headers'] = {};

/** Reads the request id and the trace context (`traceparent`, `tracestate`, `baggage`) of a request. */
export class PassedOnReader {
  /**
   * @param requestId false: requests have no ids
   * @param traceContext whether the trace context is read
   */
  constructor(
    private readonly requestId: ResolvedOf<typeof REQUEST_ID_OPTIONS> | false,
    private readonly traceContext: boolean,
    private readonly newId: () => string = randomUUID,
  ) {}

  /** @returns undefined if the request carries nothing that is valid */
  read({ headers: given }: PeerRequest): PassedOn | undefined {
    const requestId = this.requestIdOf(given);
    const { traceparent, baggage } = this.traceContext ? given : NO_HEADERS;
    if (requestId === undefined && traceparent === undefined && baggage === undefined) return undefined;
    const headers: Record<string, string> = {};
    const ids: EventIds = {};
    if (requestId !== undefined && this.requestId !== false) {
      headers[this.requestId.header] = ids.requestId = requestId;
    }
    const traceId = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
    if (traceId !== undefined) {
      headers.traceparent = traceparent as string;
      ids.traceId = traceId;
      const tracestate = printable(given.tracestate, MAX_TRACESTATE);
      if (tracestate !== undefined) headers.tracestate = tracestate;
    }
    const passed = printable(baggage, MAX_BAGGAGE);
    if (passed !== undefined) headers.baggage = passed;
    return { headers, ids };
  }

  private requestIdOf(headers: PeerRequest['headers']): string | undefined {
    if (this.requestId === false) return undefined;
    const given = headers[this.requestId.header];
    if (typeof given === 'string' && REQUEST_ID.test(given)) return given;
    return this.requestId.create ? this.newId() : undefined;
  }
}

function printable(value: unknown, maxLength: number): string | undefined {
  return typeof value === 'string' && value.length <= maxLength && PRINTABLE.test(value) ? value : undefined;
}
