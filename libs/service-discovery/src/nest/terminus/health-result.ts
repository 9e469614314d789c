import { Header } from '@nestjs/common';
import { type HealthCheckResult, type HealthIndicatorResult } from '@nestjs/terminus';

/** What a probe is answered is true for a moment only. */
export const NotCached = (): MethodDecorator => Header('Cache-Control', 'no-cache, no-store, must-revalidate');

/** The answer in Terminus's form. */
export function toHealthResult(status: HealthCheckResult['status'], details: HealthIndicatorResult): HealthCheckResult {
  const having = (isDown: boolean): HealthIndicatorResult =>
    Object.fromEntries(Object.entries(details).filter(([, one]) => (one.status === 'down') === isDown));
  return { status, info: having(false), error: having(true), details };
}
