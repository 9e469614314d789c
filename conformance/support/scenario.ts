import { type Peer } from './peer.js';

/** One requirement, independent of the library. */
export interface Scenario {
  /** The requirement. */
  readonly name: string;
  /** The consequence for users if it is not met. */
  readonly fault: string;
  /** @throws Absent if the peer has no such part; Unmet if it does not meet the requirement */
  run(peer: Peer): Promise<void>;
}

/** The peer lacks the part that the scenario needs. */
export class Absent extends Error {}

/** A part of a peer. */
export function part<T>(of: T | undefined): T {
  if (of === undefined) throw new Absent();
  return of;
}

/** The peer does not meet the requirement. */
export class Unmet extends Error {}

/** The result of a peer's call that must succeed. */
export async function answerOf<T>(call: Promise<T>): Promise<T> {
  return call.catch((error: unknown) => {
    // Errors of the library are results; these are bugs in the caller.
    if (error instanceof TypeError || error instanceof ReferenceError) throw error;
    throw new Unmet(`a call fails: ${(error as Error).message}`);
  });
}

/** @param otherwise what went wrong, as a sentence for the notes of the table */
export function expectThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Unmet(otherwise);
}
