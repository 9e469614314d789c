import { isRecord, type OptionValidator } from '../../common/index.js';
import { type BodyCondition, type JsonScalar } from './spec.js';

const TEXT_LIMIT = 1_024;
const PATH_LIMIT = 256;
const LIST_LIMIT = 32;

/** Parses a body condition in JSON form. */
export function readBodyCondition(check: OptionValidator, path: string, given: unknown): BodyCondition {
  const fields = isRecord(given) ? given : {};
  const names = Object.keys(fields).sort().join();
  if (names !== 'contains' && names !== 'equals,path') {
    check.problem(path, given, "{ contains: 'text' } or { path: 'a.place', equals: 'value' }");
    return given as BodyCondition;
  }
  const { contains, path: place, equals } = fields;
  if (names === 'contains') {
    if (!isText(contains, TEXT_LIMIT)) check.problem(`${path}.contains`, contains, textOf(TEXT_LIMIT));
    return { contains: contains as string };
  }
  if (!isText(place, PATH_LIMIT)) check.problem(`${path}.path`, place, textOf(PATH_LIMIT));
  const values: readonly unknown[] = Array.isArray(equals) ? equals : [equals];
  if (values.length === 0 || values.length > LIST_LIMIT || !values.every(isScalar)) {
    check.problem(
      `${path}.equals`,
      equals,
      `a text, a number, true, false or null, or a list of 1 to ${LIST_LIMIT} of them`,
    );
  }
  return { path: place as string, equals: equals as JsonScalar };
}

function isText(value: unknown, limit: number): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= limit;
}

function textOf(limit: number): string {
  return `a text of 1 to ${limit} characters`;
}

function isScalar(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= TEXT_LIMIT;
  return value === null || typeof value === 'boolean' || Number.isFinite(value);
}
