import { messageOf } from '../../common/index.js';
import { type BodyCondition, type JsonScalar } from '../../model/index.js';
import { type AnswerBody, type ReadBody } from './http-exchange.js';

/**
 * Whether the body of an otherwise healthy response is healthy as well. An error that it throws becomes the reason of
 * the failure.
 *
 * @example ({ data }) => (data as { queue: number }).queue < 1_000
 */
export type BodyPredicate = (body: AnswerBody) => boolean;

/** Why a body does not meet a condition; undefined if it does. */
export function findBodyProblem(body: ReadBody, condition: BodyCondition | BodyPredicate): string | undefined {
  if (typeof condition === 'function') return askPredicate(body, condition);
  if ('contains' in condition) {
    if (body.text.includes(condition.contains)) return undefined;
    return body.note ?? `the body does not contain ${JSON.stringify(condition.contains)}`;
  }
  if (body.data === undefined) return body.note ?? 'the body is no JSON';
  const found = valueAt(body.data, condition.path);
  const wanted = Array.isArray(condition.equals) ? (condition.equals as readonly JsonScalar[]) : [condition.equals];
  if (wanted.includes(found as JsonScalar)) return undefined;
  return found === undefined
    ? `the body has no ${condition.path}`
    : `${condition.path} is ${shorten(found)} in the body, not ${wanted.map((value) => JSON.stringify(value)).join(' or ')}`;
}

function askPredicate({ text, data }: ReadBody, predicate: BodyPredicate): string | undefined {
  try {
    return predicate({ text, data }) ? undefined : 'the body is not what a healthy one is';
  } catch (error) {
    return messageOf(error);
  }
}

function valueAt(data: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => {
    const isParent = typeof value === 'object' && value !== null && Object.hasOwn(value, name);
    return isParent ? (value as Record<string, unknown>)[name] : undefined;
  }, data);
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 64 ? `${text.slice(0, 63)}…` : text;
}
