/** Where a body comes from. */
export interface BodyFlow {
  /** Holds the network back. */
  pause(): void;
  resume(): void;
  /** Ends it, and its connection. */
  abort(reason: Error): void;
}
