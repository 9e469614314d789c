import { isDeepStrictEqual } from 'node:util';
import { type HealthDetail } from '../model/index.js';

/** How often an otherwise unchanged health check is announced. */
export const HEALTH_ANNOUNCEMENT_INTERVAL_MS = 60_000;

/**
 * Whether watchers are sent a new detail of an unchanged health status. A new reason, status code or response body is
 * sent at once. A detail that differs only in time and latency is sent once a minute, since otherwise every check of
 * every instance would reach every watcher.
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
