import { type Peer } from './peer.js';

/** One case that a library has to stand, whichever it is. */
export interface Scenario {
  /** What holds where the library stands it. */
  readonly name: string;
  /** What users meet with where it does not. */
  readonly fault: string;
  /**
   * @throws Absent where the peer has no such part; whatever else where the peer does not stand it
   */
  run(peer: Peer): Promise<void>;
}

/** The peer has no part that the scenario is about. */
export class Absent extends Error {}

/** A part of a peer. */
export function part<T>(of: T | undefined): T {
  if (of === undefined) throw new Absent();
  return of;
}

/** What a scenario holds of a peer did not come true. */
class Unmet extends Error {}

/** @param otherwise what went wrong where it does not hold, as a sentence for the table's notes */
export function expectThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Unmet(otherwise);
}
