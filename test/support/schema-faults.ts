import { type Schema } from '../../libs/service-discovery/src/nest/rest/openapi/schema.js';

const TYPES: Readonly<Record<NonNullable<Schema['type']>, (value: unknown) => boolean>> = {
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
};

/**
 * Where and why a value violates a schema without references; empty if it is valid. Ignores limits of length and size.
 */
export function schemaFaults(value: unknown, schema: Schema, at = '$'): string[] {
  const { type, nullable = false, enum: values, items, format } = schema;
  if (type === undefined || (value === null && nullable)) return [];
  if (!TYPES[type](value)) return [`${at} is no ${type}: ${JSON.stringify(value)}`];
  if (values && !values.includes(value)) return [`${at} is none of ${values.join(', ')}: ${JSON.stringify(value)}`];
  if (format === 'date-time' && Number.isNaN(Date.parse(value as string))) return [`${at} is no time`];
  if (type === 'array' && items) {
    return (value as unknown[]).flatMap((item, index) => schemaFaults(item, items, `${at}[${index}]`));
  }
  return type === 'object' ? fieldFaults(value as Record<string, unknown>, schema, at) : [];
}

function fieldFaults(value: Record<string, unknown>, schema: Schema, at: string): string[] {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  const missing = required.filter((name) => !Object.hasOwn(value, name)).map((name) => `${at}.${name} is missing`);
  const wrong = Object.entries(value).flatMap(([name, own]) => {
    const described = properties[name] ?? additionalProperties;
    if (described === false) return [`${at}.${name} is not described`];
    return described === true ? [] : schemaFaults(own, described, `${at}.${name}`);
  });
  return [...missing, ...wrong];
}
