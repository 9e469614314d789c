import { type Peer } from './peer.js';

/** One case that a library has to stand, whichever it is. */
export interface Scenario {
  /** What holds where the library stands it. */
  readonly name: string;
  /** What users meet with where it does not. */
  readonly fault: string;
  /**
   * @throws Absent where the peer has no such part; Unmet where the peer does not stand it
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
export class Unmet extends Error {}

/** What a call of a peer comes to, where it has to come to something. */
export async function answerOf<T>(call: Promise<T>): Promise<T> {
  return call.catch((error: unknown) => {
    // The library's own errors are results; these are mistakes of whoever calls it.
    if (error instanceof TypeError || error instanceof ReferenceError) throw error;
    throw new Unmet(`a call fails: ${(error as Error).message}`);
  });
}

/** @param otherwise what went wrong where it does not hold, as a sentence for the table's notes */
export function expectThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Unmet(otherwise);
}
