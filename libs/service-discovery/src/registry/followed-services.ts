import { type RegistrySnapshot } from '../model/index.js';

/**
 * How many names are remembered of which nobody is registered: a name may come from anywhere, such as the path of a
 * request, and each one costs the store a subscription.
 */
const ABSENT_NAMES = 1_000;

/** The services that a process has used: what a watch covers that does not cover everything. */
export class FollowedServices {
  private readonly known = new Set<string>();

  get names(): readonly string[] {
    return [...this.known];
  }

  has(name: string): boolean {
    return this.known.has(name);
  }

  /**
   * @param snapshot what tells which of the names are in use
   * @returns false where it was there before
   */
  add(name: string, snapshot: RegistrySnapshot): boolean {
    if (this.known.has(name)) return false;
    this.known.add(name);
    if (this.known.size > ABSENT_NAMES + snapshot.services.size) this.forgetAbsent(name, snapshot);
    return true;
  }

  private forgetAbsent(newest: string, { services }: RegistrySnapshot): void {
    for (const name of this.known) if (name !== newest && !services.has(name)) this.known.delete(name);
  }
}
