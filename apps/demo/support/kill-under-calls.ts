import { type Encounter } from './caller.js';
import { Load } from './load.js';
import { paceOf } from './pace.js';
import { type Stage } from './stage.js';

const CALLERS = 3;
/** The shortest time that calls avoid an unreachable instance. */
const PAUSE_MS = 1_000;

/**
 * Kills an instance of `user-service` that several processes call: each finds out for itself, by one attempt that could not
 * be sent.
 * @param whileDead runs while it is dead
 */
export async function killUnderCalls(stage: Stage, name: string, whileDead: () => Promise<void>): Promise<void> {
  const { print, claims } = stage;
  const victim = stage.process(name);
  const callers = await Promise.all(Array.from({ length: CALLERS }, () => stage.caller()));
  const requests = callers.map((caller) => caller.request('user-service', 'GET', '/users/1'));
  const rate = await paceOf(requests, 60, print);
  const load = new Load({ requests, rate });
  await load.more(rate);

  victim.kill('SIGKILL');
  await victim.ended;
  const endedAt = performance.now();
  await load.more(rate);
  await whileDead();
  await load.stop();
  await Promise.all(callers.map((caller) => caller.close()));

  const partings = callers.map((caller) => partingOf(caller.with(victim.instanceId), endedAt));
  const last = Math.max(...partings.map(({ after }) => after));
  claims.check(
    'SIGKILL: a caller leaves it alone after one attempt that could not be sent',
    partings.every(({ more }) => more === 0),
    `attempts that could not be sent, by caller: ${partings.map(({ unsent }) => unsent).join(', ')}; the last one knew after ${last.toFixed(0)} ms`,
  );
  claims.check('and none of their calls failed', load.failures.length === 0, `of ${load.answered}`);
  print.faults(load.failures);
}

interface Parting {
  /** Milliseconds from its end to the first attempt that could not be sent. */
  readonly after: number;
  /** Attempts that could not be sent: one, plus those in flight at the same time. */
  readonly unsent: number;
  /** How often it was picked while calls should avoid it. */
  readonly more: number;
}

/** When a caller noticed that an instance is gone, and how often it picked it while it should avoid it. */
function partingOf(seen: readonly Encounter[], endedAt: number): Parting {
  const foundOut = seen.find(({ what }) => what === 'unreachable');
  // The registry knew before a caller picked it.
  if (!foundOut) return { after: 0, unsent: 0, more: 0 };
  const { at } = foundOut;
  const inPause = (what: Encounter['what']): number =>
    seen.filter((one) => one.what === what && one.at >= at && one.at < at + PAUSE_MS).length;
  return { after: Math.max(0, at - endedAt), unsent: inPause('unreachable'), more: inPause('picked') };
}
