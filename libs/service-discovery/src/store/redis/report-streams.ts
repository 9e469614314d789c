import { type ProcessReport } from '../../model/index.js';
import { type ReadReports, type ReportEntry } from '../registry-store.js';
import { type KeySpace } from './keys.js';
import { appendRecords, readRecords } from './lua-scripts.js';
import { type RedisLink } from './redis-link.js';

/** An hour of reports of 55 processes; about 10 MB. */
const MAX_REPORTS = 20_000;
/** Two processes that report the same change within this time report one. */
const SAME_CHANGE_MS = 10_000;
const DAY_MS = 86_400_000;
const JOURNAL_EXPIRY_MS = 7 * DAY_MS;
const RECORDS_PER_READ = 1_000;

/** The journal and the call figures of all processes: two capped streams, each in one slot of a Cluster. */
export class ReportStreams {
  /** The first ids that have not been read. */
  private readonly next = { journal: '-', reports: '-' };

  constructor(
    private readonly link: RedisLink,
    private readonly keys: Pick<KeySpace, 'journal' | 'reports' | 'seen'>,
  ) {}

  /** @param maxEntries about how many entries the journal keeps */
  async send(
    { entries: _, ...calls }: ProcessReport,
    entries: readonly ReportEntry[],
    maxEntries: number,
  ): Promise<void> {
    const { journal, reports, seen } = this.keys;
    if (entries.length > 0) {
      const records = entries.flatMap(({ key, entry }) => [key ?? '', JSON.stringify(entry)]);
      const keys = { stream: journal, seen };
      await this.link.call(appendRecords(keys, maxEntries, SAME_CHANGE_MS, JOURNAL_EXPIRY_MS, ...records));
    }
    if (calls.steps.length > 0) {
      const record = JSON.stringify({ ...calls, entries: [] });
      await this.link.call(appendRecords({ stream: reports, seen }, MAX_REPORTS, 0, DAY_MS, '', record));
    }
  }

  /** What was appended since the last call, by this process too. */
  async read(): Promise<ReadReports> {
    return { entries: await this.readStream('journal'), reports: await this.readStream('reports') };
  }

  private async readStream(name: 'journal' | 'reports'): Promise<unknown[]> {
    const records: unknown[] = [];
    let read: readonly unknown[];
    do {
      read = await this.link.call(readRecords({ stream: this.keys[name] }, this.next[name], RECORDS_PER_READ));
      for (let index = 0; index < read.length; index += 2) records.push(parsed(String(read[index + 1])));
      if (read.length > 0) this.next[name] = idAfter(String(read.at(-2)));
    } while (read.length === 2 * RECORDS_PER_READ);
    return records;
  }
}

function idAfter(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-');
  return `${ms}-${BigInt(sequence) + 1n}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
