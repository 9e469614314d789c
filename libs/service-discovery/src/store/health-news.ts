import { isDeepStrictEqual } from 'node:util';
import { type HealthDetail } from '../model/index.js';

/** How old the announced time of a check may become while nothing else about it changes. */
export const HEALTH_ANNOUNCEMENT_INTERVAL_MS = 60_000;

/**
 * Whether a new detail under an unchanged health status is worth a `put`. A new reason, status code or answer is, so
 * that readers see what the endpoint says now. One that differs only in when the check ran and how long it took is
 * not, or every check of every instance would reach every watcher; it is announced once a minute.
 */
export function isHealthNews(announced: HealthDetail | undefined, detail: HealthDetail | undefined): boolean {
  if (!announced || !detail) return announced !== detail;
  return (
    announced.reason !== detail.reason ||
    announced.statusCode !== detail.statusCode ||
    announced.flapping !== detail.flapping ||
    detail.checkedAt - announced.checkedAt >= HEALTH_ANNOUNCEMENT_INTERVAL_MS ||
    !isDeepStrictEqual(announced.data, detail.data)
  );
}
