import { type Clock, type Random, type TimerWheel } from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { type NearNames } from '../near-names.js';

/** What all calls of one engine work with. */
export interface CallDependencies {
  readonly clock: Clock;
  /** For the time limits of all calls. */
  readonly timers: TimerWheel;
  readonly random: Random;
  readonly events: EventSink;
  /** Aborts when no further attempt may be made. */
  readonly closing: AbortSignal;
  /** The deadline of the work that this process does at the moment, in milliseconds since the Unix epoch. */
  readonly ambientDeadline: (() => number | undefined) | undefined;
  readonly nearNames: NearNames;
}
