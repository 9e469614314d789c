import { getJson } from '../support/http.js';
import { get, Load } from '../support/load.js';
import { paceOf } from '../support/pace.js';
import { type Stage } from '../support/stage.js';

const CALLS = 300;

/** Real calls through the gateway, spread over the instances. */
export async function calls(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const user = await getJson<{ name: string; servedBy: string }>(stage.shop('/users/1'));
  print.exchange("curl '<gateway>/shop/users/1'", user);
  claims.check('a call by name reaches a service', user.name === 'Ada', `answered by ${user.servedBy}`);

  const requests = [1, 2, 3, 4].map((id) => get(stage.shop(`/users/${id}`)));
  const load = new Load({ requests, rate: await paceOf(requests, 200, print) });
  await load.more(CALLS);
  await load.stop();
  print.say(`${load.answered} calls of user-service, by the instance that answered:`);
  print.bars(load.servedBy);
  const shares = [...load.servedBy.values()].map((count) => count / load.answered);
  claims.check(
    'three instances share the calls evenly',
    load.failures.length === 0 && shares.length === 3 && shares.every((share) => share > 0.3 && share < 0.37),
    `${load.failures.length} failed`,
  );
}
