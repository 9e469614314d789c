import { type Peer } from './support/peer.js';
import { Absent, type Scenario, Unmet } from './support/scenario.js';

/** How a peer came through a scenario: it passed, it did not, or it has no such part. */
type Mark = '✓' | '✗' | '–';

export interface Result {
  readonly scenario: string;
  /** What users meet with where it is not passed. */
  readonly fault: string;
  readonly peer: string;
  readonly version: string;
  readonly mark: Mark;
  /** Why it did not pass. */
  readonly note?: string;
}

/** Real time that a scenario may take: one that waits for ever is one that does not pass. */
const LONGEST_MS = 20_000;
// Scenarios put others in the place of the global timers.
const { setTimeout: realTimeout, clearTimeout: stopRealTimeout } = globalThis;

/** Runs the scenarios one after the other, since some take the global timers for themselves. */
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
    // A rejection shows as unhandled only after the turn in which it came.
    await new Promise((resolve) => setImmediate(resolve));
    if (unhandled.length > 0)
      return { ...result, mark: '✗', note: `leaves an unhandled rejection: ${String(unhandled[0])}` };
    return { ...result, mark: '✓' };
  } catch (error) {
    if (error instanceof Absent) return { ...result, mark: '–' };
    // Whatever else is a fault of the scenario or of an adapter, and no result.
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
