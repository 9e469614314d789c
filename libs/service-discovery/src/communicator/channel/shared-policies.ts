import { keyOfSettings } from './settings-key.js';

/** What limits and remembers the calls of one service: one for all communicators whose settings for it are the same. */
export class SharedPolicies {
  private readonly known = new Map<string, object>();

  /**
   * @param kind tells apart policies with settings that look the same
   * @param create makes the policy when nobody has asked for one with these settings
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
