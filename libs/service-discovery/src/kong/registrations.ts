import { type Duration, msOf } from '../common/index.js';
import { type ServiceCheckOptions } from '../health/index.js';
import { type HealthCheckSpec, type ServiceRegistration } from '../model/index.js';
import { secondsText } from './health-checks.js';
import { type ImportedService } from './services.js';

/** What a registration may ask of its checks: intervals from 1 s, a timeout from 10 ms to 1 minute. */
const INTERVAL_MS = { min: 1_000, max: 86_400_000 };
const TIMEOUT_MS = { min: 10, max: 60_000 };

/**
 * The registrations of a service, with its checks, since the process that checks them need not have the options.
 * Without headers, which a registry does not take from others.
 */
export function toRegistrations({ registrations, check }: ImportedService, tier: string): ServiceRegistration[] {
  return registrations.map((registration) => ({ ...registration, tier, ...(check && { healthCheck: toSpec(check) }) }));
}

function toSpec({ headers: _headers, host: _host, ...check }: ServiceCheckOptions): HealthCheckSpec {
  const { interval, downInterval, timeout } = check;
  const bounded = (value: Duration, { min, max }: typeof TIMEOUT_MS): Duration =>
    secondsText(Math.min(max, Math.max(min, msOf(value))) / 1_000);
  return {
    ...(check as HealthCheckSpec),
    ...(interval !== undefined && { interval: bounded(interval, INTERVAL_MS) }),
    ...(downInterval !== undefined && { downInterval: bounded(downInterval, INTERVAL_MS) }),
    ...(timeout !== undefined && { timeout: bounded(timeout, TIMEOUT_MS) }),
  };
}
