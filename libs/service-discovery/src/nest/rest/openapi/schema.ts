/** A JSON schema, as OpenAPI 3.0 has it. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean';
  readonly format?: string;
  readonly description?: string;
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
}

const REFERENCE = '#/components/schemas/';

export const text = (description?: string, more: Schema = {}): Schema => ({ type: 'string', description, ...more });
export const integer = (description?: string, more: Schema = {}): Schema => ({ type: 'integer', description, ...more });
export const number = (description?: string, more: Schema = {}): Schema => ({ type: 'number', description, ...more });
export const flag = (description?: string): Schema => ({ type: 'boolean', description });
export const moment = (description?: string): Schema => text(description, { format: 'date-time' });
export const oneOf = (values: readonly string[], description?: string): Schema => text(description, { enum: values });
export const list = (items: Schema, description?: string): Schema => ({ type: 'array', items, description });
export const mapOf = (values: Schema | true, description?: string): Schema => ({
  type: 'object',
  additionalProperties: values,
  description,
});
export const anything = (description: string): Schema => ({ description });
/** OpenAPI 3.0 asks for null among the values of an enumeration, too. */
export const orNull = (schema: Schema): Schema => ({
  ...schema,
  nullable: true,
  ...(schema.enum && { enum: [...schema.enum, null] }),
});
export const reference = (name: string): Schema => ({ $ref: REFERENCE + name });

/** An object with these fields and no others; a name that ends in `?` may be left out. */
export function object(fields: Readonly<Record<string, Schema>>, description?: string): Schema {
  const names = Object.keys(fields);
  return {
    type: 'object',
    description,
    properties: Object.fromEntries(names.map((name) => [name.replace('?', ''), fields[name]!])),
    required: names.filter((name) => !name.endsWith('?')),
    additionalProperties: false,
  };
}

/** What describes something, with its references replaced by what they stand for: for a document that does not have it. */
export function withoutReferences<T>(description: T, named: Readonly<Record<string, Schema>>): T {
  const inline = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inline);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref } = value as Schema;
    if ($ref !== undefined) return inline(named[$ref.slice(REFERENCE.length)]);
    return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, inline(own)]));
  };
  return inline(description) as T;
}
