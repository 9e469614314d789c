import { type Peer } from './support/peer.js';
import { Absent, type Scenario, Unmet } from './support/scenario.js';

/** Result of a peer in a scenario: passed, failed, or not applicable. */
type Mark = '✓' | '✗' | '–';

export interface Result {
  readonly scenario: string;
  /** The consequence for users of a failure. */
  readonly fault: string;
  readonly peer: string;
  readonly version: string;
  readonly mark: Mark;
  /** Why it failed. */
  readonly note?: string;
}

/** Real-time limit of a scenario: one that hangs has failed. */
const LONGEST_MS = 20_000;
// Kept since scenarios replace the global timers.
const { setTimeout: realTimeout, clearTimeout: stopRealTimeout } = globalThis;

/** Runs the scenarios sequentially, since some replace the global timers. */
export async function runAll(scenarios: readonly Scenario[], peers: readonly Peer[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const scenario of scenarios) {
    for (const peer of peers) results.push(await runOne(scenario, peer));
  }
  return results;
}

async function runOne(scenario: Scenario, peer: Peer): Promise<Result> {
  const result = { scenario: scenario.name, fault: scenario.fault, peer: peer.name, version: peer.version };
  const unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listener);
  try {
    await inTime(scenario.run(peer));
    // Unhandled rejections are reported after the turn in which they occur.
    await new Promise((resolve) => setImmediate(resolve));
    if (unhandled.length > 0)
      return { ...result, mark: '✗', note: `leaves an unhandled rejection: ${String(unhandled[0])}` };
    return { ...result, mark: '✓' };
  } catch (error) {
    if (error instanceof Absent) return { ...result, mark: '–' };
    // Anything else is a bug in the scenario or adapter, not a result.
    if (!(error instanceof Unmet)) throw error;
    return { ...result, mark: '✗', note: error.message };
  } finally {
    process.off('unhandledRejection', listener);
  }
}

async function inTime(run: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = realTimeout(() => reject(new Unmet(`does not end within ${LONGEST_MS / 1_000} s`)), LONGEST_MS);
  });
  await Promise.race([run, late]).finally(() => stopRealTimeout(timer));
}
