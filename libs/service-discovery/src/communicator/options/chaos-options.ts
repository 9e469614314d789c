import { OptionValidator } from '../../common/index.js';
import { type ChaosOptions, CHAOS_OPTIONS } from '../../resilience/index.js';

const RESPONSE_FIELDS = ['status', 'headers', 'body'];

/**
 * Checks chaos options whose outcome must be a response. The result of a function is checked at the call.
 * @throws InvalidConfigurationError listing every wrong value
 */
export function resolveCallChaosOptions(options: ChaosOptions, path: string): ReturnType<typeof CHAOS_OPTIONS.resolve> {
  const resolved = CHAOS_OPTIONS.resolve(options, path);
  const { outcome } = resolved;
  if (outcome === undefined || typeof outcome === 'function') return resolved;
  const check = new OptionValidator(path);
  if (typeof outcome !== 'object' || outcome === null || Array.isArray(outcome)) {
    check.problem('outcome', outcome, 'a response such as { status: 200, body: {} }, or a function that makes one');
  } else {
    const { status, headers } = check.options<{ status?: unknown; headers?: unknown }>(
      'outcome',
      outcome,
      {},
      RESPONSE_FIELDS,
    );
    if (status !== undefined) check.number('outcome.status', status, { min: 200, max: 599, integer: true });
    if (headers !== undefined && (typeof headers !== 'object' || headers === null || Array.isArray(headers))) {
      check.problem('outcome.headers', headers, 'an object of headers');
    }
  }
  check.throwIfAny();
  return resolved;
}
