import { type KongPlace } from './problems.js';

/**
 * The result for an entity or a field: `carried` works as in Kong; `approximated` works differently, as the note explains;
 * `not_carried` has no equivalent, and the note names an alternative.
 */
export type KongOutcome = 'carried' | 'approximated' | 'not_carried';

/** The result for one field. */
export interface ReportedField {
  /** Its path in the entity, such as `healthchecks.active.timeout`. */
  readonly field: string;
  readonly line: number;
  readonly outcome: KongOutcome;
  /** The option that replaces it. */
  readonly to?: string;
  readonly note?: string;
}

/** The result for one entity. */
export interface ReportedEntity extends KongPlace {
  /** The collection that it stands in, such as `services`; `file` for what a file says beside its collections. */
  readonly kind: string;
  readonly name: string;
  readonly outcome: KongOutcome;
  readonly to?: string;
  readonly note?: string;
  readonly fields: readonly ReportedField[];
}

/** A probable mistake in the files, or a decision to make. */
export interface KongWarning extends KongPlace {
  readonly message: string;
}

/** The result for everything in the files: each entity once, each field once. */
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
