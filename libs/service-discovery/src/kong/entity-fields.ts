import { describeValue } from '../common/index.js';
import { type KongEntity, singularOf } from './entities.js';
import { type KongFields, type KongNode } from './kong-node.js';
import { type KongPlace, type ProblemList } from './problems.js';
import { type KongOutcome, type ReportedEntity, type ReportedField } from './report.js';

/** What Kong keeps for itself. */
const BOOKKEEPING = ['id', 'created_at', 'updated_at', 'ws_id', 'cache_key', '_comment', '_ignore'];
const OF_KONG = "Kong's own";

type Verdict = Omit<ReportedField, 'field' | 'line'>;

const UNSET: Verdict = { outcome: 'carried', note: 'null, which is the default' };

/**
 * Reads the fields of an entity, of the right type, and records what becomes of each. What is not recorded is reported
 * as unknown, so that no field goes unmentioned.
 */
export class EntityFields {
  private readonly verdicts = new Map<string, Verdict>();
  private ofEntity: { outcome?: KongOutcome; to?: string; note?: string } = {};

  constructor(
    readonly entity: KongEntity,
    private readonly problems: ProblemList,
    /** `_info.defaults` for entities of this kind. */
    private readonly defaults?: KongFields,
  ) {
    for (const name of BOOKKEEPING) this.dropped(name, OF_KONG);
  }

  /** The value of a field, by its path; undefined if it is absent or null, also in the defaults. */
  node(path: string): KongNode | undefined {
    return this.own(path) ?? valueAt(this.defaults, path);
  }

  /** The value that stands in the entity itself. */
  own(path: string): KongNode | undefined {
    return valueAt(this.entity.fields, path);
  }

  placeOf(path: string): KongPlace {
    return this.node(path)?.namePlace ?? this.entity.place;
  }

  text(path: string): string | undefined {
    return this.typed(path, 'a text', (value) => (typeof value === 'string' ? value : undefined));
  }

  oneOf<T extends string>(path: string, allowed: readonly T[]): T | undefined {
    return this.typed(path, `one of ${allowed.join(', ')}`, (value) => allowed.find((one) => one === value));
  }

  boolean(path: string): boolean | undefined {
    return this.typed(path, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  number(
    path: string,
    { min, max, integer = true }: { min: number; max: number; integer?: boolean },
  ): number | undefined {
    const expected = `a ${integer ? 'whole ' : ''}number from ${min} to ${max}`;
    return this.typed(path, expected, (value) =>
      typeof value === 'number' && value >= min && value <= max && (!integer || Number.isInteger(value))
        ? value
        : undefined,
    );
  }

  texts(path: string): readonly string[] | undefined {
    return this.typed(path, 'a list of texts', (value) =>
      Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined,
    );
  }

  numbers(path: string): readonly number[] | undefined {
    return this.typed(path, 'a list of whole numbers', (value) =>
      Array.isArray(value) && value.every(Number.isInteger) ? (value as number[]) : undefined,
    );
  }

  carried(path: string, to?: string): void {
    this.verdicts.set(path, { outcome: 'carried', ...(to !== undefined && { to }) });
  }

  approximated(path: string, note: string, to?: string): void {
    this.verdicts.set(path, { outcome: 'approximated', ...(to !== undefined && { to }), note });
  }

  dropped(path: string, note: string): void {
    this.verdicts.set(path, { outcome: 'not_carried', note });
  }

  /** Takes over what another entity says of its fields. */
  adopt(prefix: string, other: EntityFields): void {
    for (const [path, verdict] of other.verdicts) this.verdicts.set(prefix + path, verdict);
  }

  /** Says where the entity went. */
  becomes(to: string): void {
    this.ofEntity = { ...this.ofEntity, to };
  }

  /** Leaves the whole entity out, with the fields that have no verdict of their own. */
  drop(note: string): void {
    this.ofEntity = { outcome: 'not_carried', note };
  }

  problem(path: string, message: string): void {
    this.problems.add(this.node(path)?.place ?? this.entity.place, `${this.nameOf(path)}: ${message}`);
  }

  report(): ReportedEntity {
    const { kind, name, place } = this.entity;
    const fields = this.reportFields(this.entity.fields, '');
    const { outcome = this.outcomeOf(fields), to, note } = this.ofEntity;
    return {
      kind,
      name,
      ...place,
      outcome,
      ...(to !== undefined && { to }),
      ...(note !== undefined && { note }),
      fields,
    };
  }

  private outcomeOf(fields: readonly ReportedField[]): KongOutcome {
    const isWhole = fields.every(({ outcome, note }) => outcome === 'carried' || note === OF_KONG);
    return isWhole ? 'carried' : 'approximated';
  }

  private reportFields(fields: KongFields, prefix: string): ReportedField[] {
    return [...fields].flatMap(([name, node]) => {
      const field = prefix + name;
      const { line } = node.namePlace;
      const verdict = this.verdictOf(field, node);
      if (verdict) return [{ field, line, ...verdict }];
      if (node.fields && node.fields.size > 0) return this.reportFields(node.fields, `${field}.`);
      return [{ field, line, ...this.otherwise() }];
    });
  }

  /** Undefined for one that nothing was recorded about. */
  private verdictOf(field: string, node: KongNode): Verdict | undefined {
    const recorded = this.verdicts.get(field);
    if (recorded?.note === OF_KONG) return recorded;
    if (this.ofEntity.outcome === 'not_carried') return node.fields?.size ? undefined : this.otherwise();
    return node.isNull ? UNSET : recorded;
  }

  private otherwise(): Verdict {
    const { outcome, note = 'the importer does not know this field' } = this.ofEntity;
    return { outcome: outcome ?? 'not_carried', note };
  }

  private typed<T>(path: string, expected: string, read: (value: unknown) => T | undefined): T | undefined {
    const node = this.node(path);
    if (!node) return undefined;
    const json = node.toJson();
    const value = read(json);
    if (value === undefined) this.problem(path, `expected ${expected}, but got ${describeValue(json)}`);
    return value;
  }

  private nameOf(path: string): string {
    const { kind, name } = this.entity;
    return `${singularOf(kind)} "${name}": ${path}`;
  }
}

function valueAt(fields: KongFields | undefined, path: string): KongNode | undefined {
  let level = fields;
  let node: KongNode | undefined;
  for (const name of path.split('.')) {
    node = level?.get(name);
    level = node?.fields;
  }
  return node?.isNull === false ? node : undefined;
}
