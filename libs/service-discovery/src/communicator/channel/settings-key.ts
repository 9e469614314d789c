/**
 * A text that is equal for equal settings, so that those who agree on them share what belongs to them; undefined where
 * they hold what no text tells apart, such as functions.
 */
export function keyOfSettings(settings: unknown): string | undefined {
  let isTellable = true;
  const key = JSON.stringify(settings, (_, value: unknown) => {
    if (typeof value === 'function' || typeof value === 'symbol' || value instanceof RegExp) isTellable = false;
    return value === Number.POSITIVE_INFINITY ? 'Infinity' : value;
  });
  return isTellable ? key : undefined;
}
