import { elementsOf, isRecord, KnownNames, type Problem } from '../../common/index.js';
import { PROTOCOLS } from '../../model/index.js';
import { type SelectionCriteria } from '../load-balancer.js';

const EXPECTED: Readonly<Record<keyof SelectionCriteria, string>> = {
  version: 'a semver range',
  tags: 'a list or a Set of texts',
  protocol: `one of ${PROTOCOLS.join(', ')}`,
  zone: 'the name of a zone',
};

/** The names of {@link SelectionCriteria}. */
export const CRITERIA_NAMES = new KnownNames(Object.keys(EXPECTED));

/**
 * Unknown names and values of the wrong type in criteria. Returns an empty list, without allocating, if there are none.
 * @param names the allowed names; values of further names are not checked @default those of a call
 */
export function findCriteriaProblems(criteria: unknown, path = 'criteria', names = CRITERIA_NAMES): readonly Problem[] {
  if (!isRecord(criteria)) return [{ path, value: criteria, expected: 'an object such as { version: "^1.2" }' }];
  let problems = names.problemsOf(criteria, path);
  // Written out because every call with criteria runs this; a loop over a table of rules takes four times as long.
  const { version, tags, protocol, zone } = criteria;
  if (!isOptionalText(version)) problems = [...problems, problemOf('version', version, path)];
  if (tags !== undefined && !isTexts(tags)) problems = [...problems, problemOf('tags', tags, path)];
  if (protocol !== undefined && !(PROTOCOLS as readonly unknown[]).includes(protocol)) {
    problems = [...problems, problemOf('protocol', protocol, path)];
  }
  if (!isOptionalText(zone)) problems = [...problems, problemOf('zone', zone, path)];
  return problems;
}

/** The tags of criteria as an array, as a pick takes them. */
export function tagsOf({ tags }: SelectionCriteria): readonly string[] | undefined {
  return tags && elementsOf(tags);
}

function problemOf(name: keyof SelectionCriteria, value: unknown, path: string): Problem {
  return { path: `${path}.${name}`, value, expected: EXPECTED[name] };
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

function isTexts(value: unknown): boolean {
  return elementsOf(value)?.every(isText) ?? false;
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}
