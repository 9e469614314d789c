import { type KongPlace } from './problems.js';

/**
 * What became of an entity or a field: `carried` works as in Kong, `approximated` works in another way, which the note
 * tells, `not_carried` needs something else, which the note names.
 */
export type KongOutcome = 'carried' | 'approximated' | 'not_carried';

/** What became of one field. */
export interface ReportedField {
  /** Its path in the entity, such as `healthchecks.active.timeout`. */
  readonly field: string;
  readonly line: number;
  readonly outcome: KongOutcome;
  /** The option that it became. */
  readonly to?: string;
  readonly note?: string;
}

/** What became of one entity. */
export interface ReportedEntity extends KongPlace {
  /** The collection that it stands in, such as `services`; `file` for what a file says beside its collections. */
  readonly kind: string;
  readonly name: string;
  readonly outcome: KongOutcome;
  readonly to?: string;
  readonly note?: string;
  readonly fields: readonly ReportedField[];
}

/** What is probably a mistake in the files, or needs a decision. */
export interface KongWarning extends KongPlace {
  readonly message: string;
}

/** What became of everything that stands in the files: each entity once, each field once. */
export interface KongReport {
  readonly counts: Readonly<Record<KongOutcome, number>>;
  readonly entities: readonly ReportedEntity[];
  readonly warnings: readonly KongWarning[];
}

const DEFAULTS =
  'Fields that the files leave out have the defaults of Kong: 5 retries, 60 s for each timeout, no health checks.';

const WORDS: Readonly<Record<KongOutcome, string>> = {
  carried: 'carried over',
  approximated: 'approximated',
  not_carried: 'not carried over',
};

/** The report as text, in lines of no fixed width. */
export function formatKongReport({ counts, entities, warnings }: KongReport): string {
  const lines = [
    Object.entries(WORDS)
      .map(([outcome, word]) => `${counts[outcome as KongOutcome]} ${word}`)
      .join(', '),
  ];
  lines.push(DEFAULTS);
  for (const entity of entities) {
    const { kind, name, file, line, outcome, to, note } = entity;
    lines.push(
      '',
      `${file}:${line}  ${kind} ${name}: ${WORDS[outcome]}${to ? ` → ${to}` : ''}${note ? `: ${note}` : ''}`,
    );
    lines.push(...linesOf(entity));
  }
  if (warnings.length > 0) {
    lines.push(
      '',
      'Warnings:',
      ...warnings.map(({ file, line, column, message }) => `  ${file}:${line}:${column}: ${message}`),
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Fields that share an outcome, a target and a note share a line. */
function linesOf({ fields, note: ofEntity }: ReportedEntity): string[] {
  const groups = new Map<string, ReportedField[]>();
  for (const field of fields) {
    const key = JSON.stringify([field.outcome, field.to, field.note]);
    groups.set(key, [...(groups.get(key) ?? []), field]);
  }
  return [...groups.values()].map((group) => {
    const { outcome, to, note } = group[0]!;
    const names = group.map(({ field, line }) => `${field} (${line})`).join(', ');
    const why = note && note !== ofEntity ? `: ${note}` : '';
    return `  ${WORDS[outcome]}: ${names}${to ? ` → ${to}` : ''}${why}`;
  });
}
