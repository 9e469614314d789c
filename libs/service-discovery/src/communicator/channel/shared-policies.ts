import { keyOfSettings } from './settings-key.js';

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
}
