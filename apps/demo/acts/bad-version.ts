import { instancesOf, registeredAt } from '../../shop/fleet.js';
import { getJson, postJson } from '../support/http.js';
import { get, Load } from '../support/load.js';
import { paceOf } from '../support/pace.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

const FIRST_STEP = 5;

/** Rolls a version out that fails: it is moved back by itself, before more than its first step meets it. */
export async function badVersion(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const operator = stage.clientOf('registry');
  const requests = [1, 2, 3].map((id) => get(stage.shop(`/users/${id}`)));
  const rate = await paceOf(requests, 150, print);

  // The rollout begins first, so that the new version never has more than the share of its step.
  await operator.startRollout('user-service', { version: '2.x', steps: [FIRST_STEP, 25, 100] });
  const env = { ...registeredAt(stage.process('registry').url), INSTANCE_VERSION: '2.0.0' };
  for (const spec of instancesOf('user-service', ['user-new'], env)) await stage.start(spec);
  const { url } = stage.process('user-new');
  await postJson(`${url}/chaos`, { failing: true });
  print.say(`user-new has version 2.0.0, gets ${FIRST_STEP} % of the calls, and answers all of them with 503`);
  const failed = async (): Promise<number> => (await getJson<{ failed: number }>(`${url}/chaos`)).failed;

  const load = new Load({ requests, rate });
  const rollout = await waitFor('the rollout to be rolled back', async () => {
    const { rollout: now } = await operator.split('user-service');
    return now?.state === 'rolled_back' ? now : undefined;
  });
  // The gateway has heard of it when it has answered these.
  await load.more(20);
  const [affected, calls] = [await failed(), load.answered];
  await load.more(100);
  await load.stop();
  print.bars(load.servedBy);
  claims.check(
    'a bad version is rolled back by itself',
    rollout.share === 0 && (await failed()) === affected,
    `${rollout.reason}; none of the next 100 calls met it`,
  );
  // One more, since the first of twenty calls may be the one.
  claims.check(
    'at most the share of its first step met it, and no call failed',
    affected > 0 && affected <= (calls * FIRST_STEP) / 100 + 1 && load.failures.length === 0,
    `${affected} of ${calls} calls, ${load.failures.length} failed`,
  );
  print.faults(load.failures);

  await operator.endRollout('user-service');
  await operator.close();
  await stage.end('user-new');
}
