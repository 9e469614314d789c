/** Policies for the calls of one service, shared by all communicators with equal settings for them. */
export class SharedPolicies {
  private readonly known = new Map<string, object>();

  /**
   * @param kind distinguishes policies whose settings look the same
   * @param create makes the policy on first use
   */
  of<T extends object>(kind: string, settings: object, create: () => T): T {
    const key = keyOfSettings(settings);
    if (key === undefined) return create();
    const name = `${kind} ${key}`;
    let policy = this.known.get(name) as T | undefined;
    if (!policy) this.known.set(name, (policy = create()));
    return policy;
  }

  values(): IterableIterator<object> {
    return this.known.values();
  }
}

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
