import { shopLoad } from '../support/shop-load.js';
import { type Stage } from '../support/stage.js';

/** Stops an instance as in a deployment: it deregisters first, then finishes its calls. */
export async function departure(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const leaver = stage.process('user-3');
  const load = await shopLoad(stage);
  await load.more(150);

  print.say(`${load.answered} calls answered; user-3 (pid ${leaver.pid}) gets SIGTERM`);
  const began = performance.now();
  leaver.kill('SIGTERM');
  const { code, signal } = await leaver.ended;
  const took = performance.now() - began;
  const status = await stage.statusOf('user-3');
  await load.more(150);
  await load.stop();

  print.bars(load.servedBy);
  claims.check(
    'SIGTERM under load: no call failed',
    load.failures.length === 0,
    `${load.failures.length} of ${load.answered} failed; p99 ${load.percentile(0.99).toFixed(1)} ms`,
  );
  print.faults(load.failures);
  claims.check(
    'it had deregistered before it ended',
    status === undefined && (code === 0 || signal === 'SIGTERM'),
    `ended after ${took.toFixed(0)} ms`,
  );
}
