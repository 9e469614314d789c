import { killUnderCalls } from '../support/kill-under-calls.js';
import { shopLoad } from '../support/shop-load.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

/** Kills an instance in the middle of its work, without a failed call. */
export async function crash(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const victim = stage.process('user-2');
  const load = await shopLoad(stage);
  await load.more(150);

  print.say(`${load.answered} calls answered; user-2 (pid ${victim.pid}) gets SIGKILL`);
  await killUnderCalls(stage, 'user-2', async () => {
    await stage.healthBecomes(
      'degraded',
      'while one instance is dead',
      (health) => stage.statusIn(health, 'user-2') === 'unhealthy',
    );
    print.say("the registry's health check has found user-2 unhealthy");
    await load.more(150);
    await load.stop();
  });

  print.bars(load.servedBy);
  claims.check(
    'SIGKILL under load: no call failed',
    load.failures.length === 0,
    `${load.failures.length} of ${load.answered} failed; p50 ${load.percentile(0.5).toFixed(1)} ms, p99 ${load.percentile(0.99).toFixed(1)} ms`,
  );
  print.faults(load.failures);

  await waitFor('the lease of user-2 to run out', async () =>
    (await stage.statusOf('user-2')) === undefined ? true : undefined,
  );
  print.say('its lease has expired: the registry has removed it');
  const after = await stage.healthBecomes('healthy', 'after its lease ran out');
  claims.check('the aggregated health went from healthy to degraded and back', after.unhealthy_services === 0);
}
