/**
 * Who of the processes over one registry checks the health of instances. A store that several processes share fills it,
 * so that they can share the checks out, too.
 */
export interface CheckerRoster {
  /**
   * Says that a checker is alive, for `ttlMs` from now on.
   * @returns the ids of all that are, this one among them
   * @throws RegistryUnavailableError
   */
  announceChecker(id: string, ttlMs: number): Promise<readonly string[]>;
  /** Says that a checker is no more. @throws RegistryUnavailableError */
  retireChecker(id: string): Promise<void>;
}
