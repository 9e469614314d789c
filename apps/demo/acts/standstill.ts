import { type Caller } from '../support/caller.js';
import { Load } from '../support/load.js';
import { paceOf } from '../support/pace.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

const THRESHOLD = 3;
const PATIENCE_MS = 60_000;

/** An instance stalls: it accepts connections and never answers, which only a timeout reveals. */
export async function standstill(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const victim = stage.process('user-1');
  const { instanceId } = victim;
  const caller = await stage.caller({
    attemptTimeout: '2s',
    circuitBreaker: { failureThreshold: THRESHOLD, recoveryTimeout: '1s' },
  });
  const requests = [1, 2, 3].map((id) => caller.request('user-service', 'GET', `/users/${id}`));
  // Slow enough for calls in flight at the first timeout to be retried within the retry budget.
  const load = new Load({ requests, rate: await paceOf(requests, 20, print) });
  await load.more(20);

  victim.kill('SIGSTOP');
  print.say(`user-1 (pid ${victim.pid}) gets SIGSTOP`);
  const opened = (): true | undefined => caller.with(instanceId).some(({ what }) => what === 'opened') || undefined;
  await waitFor('the circuit of user-1 to open', opened, PATIENCE_MS);
  await load.more(40);
  const { failures, calls } = whileOpen(caller, instanceId);
  claims.check(
    `SIGSTOP: its circuit opens after ${THRESHOLD} attempts that timed out, and it gets no more calls`,
    failures === THRESHOLD && calls === 0,
    `${calls} calls while it was open`,
  );

  victim.kill('SIGCONT');
  print.say('user-1 gets SIGCONT');
  const before = load.servedBy.get('user-1') ?? 0;
  const back = (): true | undefined => (load.servedBy.get('user-1') ?? 0) > before || undefined;
  await waitFor('user-1 to answer again', back, PATIENCE_MS);
  await load.more(20);
  await load.stop();
  await caller.close();
  print.bars(load.servedBy);
  claims.check(
    'it takes calls again automatically, and no call failed',
    load.failures.length === 0,
    `${load.failures.length} of ${load.answered} failed`,
  );
  print.faults(load.failures);
}

/** Failures that opened the circuit for the first time, and calls to the instance while it was open. */
function whileOpen(caller: Caller, instanceId: string): { failures: number | undefined; calls: number } {
  const seen = caller.with(instanceId);
  let isOpen = false;
  let calls = 0;
  for (const { what } of seen) {
    if (what === 'opened') isOpen = true;
    else if (what === 'half_opened') isOpen = false;
    else if (what === 'picked' && isOpen) calls++;
  }
  return { failures: seen.find(({ what }) => what === 'opened')?.failures, calls };
}
