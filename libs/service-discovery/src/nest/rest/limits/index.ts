/** Limits on what callers of the REST API may add to the registry. */
export { ApiLimits, RegistrationRateGuard } from './api-limits.js';
