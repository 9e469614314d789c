import {
  areReportedEntries,
  areReportedSteps,
  isServiceName,
  type JournalEntry,
  REPORT_LIMITS,
  type ReportedStep,
} from '../../../model/index.js';
import { isText, isWholeNumber, Rule } from './rule.js';

const { steps, callees, instances, entries, entryBytes } = REPORT_LIMITS;

/** The body of `POST /reports`: a `ProcessReport`. */
export class ReportDto {
  @Rule('1, the version that this registry reads', (value) => value === 1, { optional: false })
  version!: 1;

  @Rule('a random text of 1 to 64 characters', isText(64), { optional: false })
  reporter!: string;

  @Rule('the name of the process: host:pid', isText(256), { optional: false })
  process!: string;

  @Rule('the name of a service that the process registered', isServiceName, { optional: false })
  service_name!: string;

  @Rule(`at most ${steps} steps, each with at most ${callees} callees and ${instances} instances`, areReportedSteps, {
    optional: false,
  })
  steps!: ReportedStep[];

  @Rule(`at most ${entries} entries of the journal of ${entryBytes} bytes`, areReportedEntries, { optional: false })
  entries!: JournalEntry[];

  @Rule('a whole number', isWholeNumber)
  dropped?: number;
}
