import { registeredAt } from '../../shop/fleet.js';
import { KongStandIn } from '../support/kong-stand-in.js';
import { get, Load } from '../support/load.js';
import { paceOf } from '../support/pace.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

/** Per cent of the calls that go through Kong: away from it, and back. */
const SHARES = [100, 50, 0, 50];
const CALLS_PER_SHARE = 60;
const TOLERANCE = 5;

/** Moves the calls of a service away from Kong, step by step and back, while they are made. */
export async function besideKong(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const kong = await KongStandIn.start(['user-1', 'user-2', 'user-3'].map((name) => stage.process(name).url));
  const caller = await stage.start({
    name: 'caller',
    script: 'examples/kong-beside/main.js',
    env: { ...registeredAt(stage.process('registry').url), PORT: '0', KONG_URL: kong.url },
  });
  print.say(`a proxy at ${kong.url} stands in for Kong; another process calls user-service through it`);
  // The caller counts its own attempts, and reports them to the registry every 10 s only.
  const client = stage.clientOf('caller');
  const operator = stage.clientOf('registry');
  const requests = [1, 2, 3].map((id) => get(`${caller.url}/users/${id}`));
  const load = new Load({ requests, rate: await paceOf(requests, 150, print) });

  const measured: number[] = [];
  for (const share of SHARES) {
    await operator.setShare('user-service', share);
    await waitFor(`the caller to send ${share} % through Kong`, async () =>
      (await client.split('user-service')).via?.share === share ? true : undefined,
    );
    // Kong counts a call when it arrives: the answers are too late to compare with.
    const before = { passedOn: kong.passedOn, sent: load.sent };
    await load.more(CALLS_PER_SHARE);
    measured.push((100 * (kong.passedOn - before.passedOn)) / (load.sent - before.sent));
    const { parts } = await client.split('user-service');
    const told = parts.map(
      ({ part, attempts, error_rate: rate }) =>
        `${attempts} ${part === 'via' ? 'through Kong' : 'directly'}, ${(100 * rate).toFixed(1)} % failed`,
    );
    print.say(`${`${share} %:`.padEnd(6)} ${told.join('; ')}`);
  }
  await load.stop();
  await Promise.all([client.close(), operator.close()]);
  await stage.end('caller');
  kong.close();

  claims.check(
    `the share through Kong is within ${TOLERANCE} points of what was set`,
    measured.every((share, index) => Math.abs(share - SHARES[index]!) <= TOLERANCE),
    `set: ${SHARES.join(', ')} %; as Kong counts: ${measured.map((share) => share.toFixed(0)).join(', ')} %`,
  );
  claims.check(
    'and no call failed on the way',
    load.failures.length === 0,
    `${load.failures.length} of ${load.answered} failed`,
  );
  print.faults(load.failures);
}
