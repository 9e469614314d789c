import { instancesOf, registeredAt } from '../../shop/fleet.js';
import { getJson, postJson } from '../support/http.js';
import { get, Load } from '../support/load.js';
import { paceOf } from '../support/pace.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

const FIRST_STEP = 5;
/** Calls are spread evenly, so that few of them may have at most this many more than the share. */
const UNEVENNESS = 2;

/** Rolls out a version that fails: it is rolled back automatically, during its first step. */
export async function badVersion(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const operator = stage.clientOf('registry');
  const gateway = stage.clientOf('gateway');
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

  const during = new Load({ requests, rate });
  // The gateway makes the calls, so it has to know of the rollback too.
  const rollout = await waitFor('the gateway to know that the rollout is rolled back', async () => {
    const { rollout: now } = await gateway.split('user-service');
    return now?.state === 'rolled_back' ? now : undefined;
  });
  await during.stop();
  const affected = await failed();
  const after = new Load({ requests, rate });
  await after.more(100);
  await after.stop();
  print.bars(after.servedBy);
  claims.check(
    'a bad version is rolled back automatically',
    rollout.share === 0 && (await failed()) === affected,
    `${rollout.reason}; none of the next ${after.answered} calls reached it`,
  );
  const failures = [...during.failures, ...after.failures];
  claims.check(
    'at most the share of its first step reached it, and no call failed',
    affected > 0 && affected <= (during.sent * FIRST_STEP) / 100 + UNEVENNESS && failures.length === 0,
    `${affected} of ${during.sent} calls, ${failures.length} failed`,
  );
  print.faults(failures);

  await operator.endRollout('user-service');
  await Promise.all([operator.close(), gateway.close()]);
  await stage.end('user-new');
}
