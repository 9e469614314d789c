import { type MakeBreaker } from '../breaker/breaker-part.js';

/** A library under test, by its parts. What it has not is left out, and shows as – in the table. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  readonly breaker?: MakeBreaker;
}
