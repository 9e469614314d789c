/**
 * A string that is equal for equal settings, so that callers with equal settings can share state; undefined if they
 * contain values without such a form, such as functions.
 */
export function keyOfSettings(settings: unknown): string | undefined {
  let isTellable = true;
  const key = JSON.stringify(settings, (_, value: unknown) => {
    if (typeof value === 'function' || typeof value === 'symbol' || value instanceof RegExp) isTellable = false;
    return value === Number.POSITIVE_INFINITY ? 'Infinity' : value;
  });
  return isTellable ? key : undefined;
}
