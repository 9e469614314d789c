/** How serious an entry of the journal is. */
export type JournalSeverity = (typeof JOURNAL_SEVERITIES)[number];
export const JOURNAL_SEVERITIES = ['info', 'warning', 'error'] as const;

/** What happened, as one line, in the form in which processes exchange it and the REST API shows it. */
export interface JournalEntry {
  /** Later entries have greater ids, in the order of strings. */
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  /** The type of the event, such as `circuit.opened`. */
  readonly type: string;
  readonly severity: JournalSeverity;
  readonly service_name: string | null;
  readonly instance_id: string | null;
  /** The process that reports it: `host:pid`; null: not shown to this reader. */
  readonly process: string | null;
  /** The service that this process registered first; null: none, or not shown to this reader. */
  readonly caller: string | null;
  /** The line of the log. */
  readonly text: string;
  /** Who did it, where an operator did. */
  readonly by: string | null;
  readonly reason: string | null;
  /** The fields of the line, in snake_case. */
  readonly data: Readonly<Record<string, unknown>>;
}
