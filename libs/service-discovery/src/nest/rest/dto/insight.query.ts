import { isServiceName } from '../../../model/index.js';
import { momentId } from '../../../observability/index.js';
import { isText, Rule } from './rule.js';

const MAX_ENTRIES = 1_000;
const DEFAULT_ENTRIES = 100;
const MAX_MINUTES = 60;

const isWithin =
  (max: number) =>
  (value: unknown): boolean =>
    typeof value === 'string' && /^[1-9]\d{0,4}$/.test(value) && Number(value) <= max;
const isEntryId = (value: unknown): boolean => typeof value === 'string' && /^\d{15}-[\da-z-]{1,64}$/.test(value);
const isTime = (value: unknown): boolean => typeof value === 'string' && !Number.isNaN(Date.parse(value));

/** The query of `GET /journal`. */
export class JournalPageQuery {
  @Rule('the name of a service', isServiceName)
  service?: string;

  @Rule('the type of an event, such as circuit.opened', isText(64))
  type?: string;

  @Rule('an ISO time, or the id of an entry', (value) => isEntryId(value) || isTime(value))
  since?: string;

  @Rule('the `next` of the page before', isEntryId)
  before?: string;

  @Rule(`a whole number from 1 to ${MAX_ENTRIES}`, isWithin(MAX_ENTRIES))
  limit?: string;
}

/** The query of `GET /calls`. */
export class CallsQuery {
  @Rule('the name of a service', isServiceName)
  service?: string;

  @Rule(`a whole number from 1 to ${MAX_MINUTES}`, isWithin(MAX_MINUTES))
  minutes?: string;
}

/** The entries that a page of the journal is about, with the number of them. */
export function toJournalQuery({ service, type, since, before, limit }: JournalPageQuery): {
  readonly service?: string;
  readonly type?: string;
  readonly after?: string;
  readonly before?: string;
  readonly limit: number;
} {
  const after = since === undefined || isEntryId(since) ? since : momentId(Date.parse(since));
  return { service, type, after, before, limit: limit === undefined ? DEFAULT_ENTRIES : Number(limit) };
}

export function toMinutes({ minutes }: CallsQuery): number {
  return minutes === undefined ? MAX_MINUTES : Number(minutes);
}
