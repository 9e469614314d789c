import { type RegistrySnapshot } from '../../model/index.js';

/**
 * How many names without instances are remembered. A name may come from anywhere, such as the path of a request, and
 * each costs the store a subscription.
 */
const ABSENT_NAMES = 1_000;

/** The services that this process has used, which are the scope of its watch. */
export class FollowedServices {
  private readonly known = new Set<string>();

  /** @param isNeeded whether a service has to be followed even while it has no instances */
  constructor(private readonly isNeeded: (name: string) => boolean = () => false) {}

  get names(): readonly string[] {
    return [...this.known];
  }

  has(name: string): boolean {
    return this.known.has(name);
  }

  /**
   * @param snapshot shows which names have instances
   * @returns false if the name was known
   */
  add(name: string, snapshot: RegistrySnapshot): boolean {
    if (this.known.has(name)) return false;
    this.known.add(name);
    if (this.known.size > ABSENT_NAMES + snapshot.services.size) this.forgetAbsent(name, snapshot);
    return true;
  }

  /** Whether a watch of `names` misses any of these services. */
  exceeds(names: readonly string[]): boolean {
    const covered = new Set(names);
    return this.names.some((name) => !covered.has(name));
  }

  private forgetAbsent(newest: string, { services, scope, connected }: RegistrySnapshot): void {
    for (const name of this.known) {
      // A service that is still being read may turn out to have instances.
      const isBeingRead = connected && scope?.has(name) === false;
      const stays = name === newest || services.has(name) || isBeingRead || this.isNeeded(name);
      if (!stays) this.known.delete(name);
    }
  }
}
