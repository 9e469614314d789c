import { type RegistrySnapshot } from '../model/index.js';

/**
 * How many names are remembered of which nobody is registered: a name may come from anywhere, such as the path of a
 * request, and each one costs the store a subscription.
 */
const ABSENT_NAMES = 1_000;

/** The services that a process has used: what a watch covers that does not cover everything. */
export class FollowedServices {
  private readonly known = new Set<string>();

  /** @param isNeeded whether somebody waits for what happens to a service, also while nobody is registered */
  constructor(private readonly isNeeded: (name: string) => boolean = () => false) {}

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

  /** Whether there is one that a watch of these does not cover. */
  exceeds(names: readonly string[]): boolean {
    const covered = new Set(names);
    return this.names.some((name) => !covered.has(name));
  }

  private forgetAbsent(newest: string, { services, scope, connected }: RegistrySnapshot): void {
    for (const name of this.known) {
      // What is being read may yet turn out to be there.
      const isBeingRead = connected && scope?.has(name) === false;
      const stays = name === newest || services.has(name) || isBeingRead || this.isNeeded(name);
      if (!stays) this.known.delete(name);
    }
  }
}
