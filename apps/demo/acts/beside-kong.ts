import { registeredAt } from '../../shop/fleet.js';
import { KongStandIn } from '../support/kong-stand-in.js';
import { get, Load } from '../support/load.js';
import { paceOf } from '../support/pace.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

/** Per cent of the calls that go through Kong: away from it, and back. */
const SHARES = [100, 50, 0, 50];
const CALLS_PER_SHARE = 60;
const CALLS_WHILE_MOVED = 10;
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
  const rate = await paceOf(requests, 150, print);
  const loads: Load[] = [];
  const underLoad = async (work: (load: Load) => Promise<unknown>): Promise<Load> => {
    const load = new Load({ requests, rate });
    loads.push(load);
    await work(load);
    await load.stop();
    return load;
  };

  const measured: number[] = [];
  for (const share of SHARES) {
    await underLoad(async (load) => {
      await load.more(CALLS_WHILE_MOVED);
      await operator.setShare('user-service', share);
      await waitFor(`the caller to send ${share} % through Kong`, async () =>
        (await client.split('user-service')).via?.share === share ? true : undefined,
      );
    });
    // Nothing is in flight before and after this load, so Kong has counted its calls and no others.
    const before = kong.passedOn;
    const { sent } = await underLoad((load) => load.more(CALLS_PER_SHARE));
    measured.push((100 * (kong.passedOn - before)) / sent);
    const { parts } = await client.split('user-service');
    const told = parts.map(
      ({ part, attempts, error_rate: errorRate }) =>
        `${attempts} ${part === 'via' ? 'through Kong' : 'directly'}, ${(100 * errorRate).toFixed(1)} % failed`,
    );
    print.say(`${`${share} %:`.padEnd(6)} ${told.join('; ')}`);
  }
  await Promise.all([client.close(), operator.close()]);
  await stage.end('caller');
  kong.close();

  claims.check(
    `the share through Kong is within ${TOLERANCE} points of what was set`,
    measured.every((share, index) => Math.abs(share - SHARES[index]!) <= TOLERANCE),
    `set: ${SHARES.join(', ')} %; as Kong counts: ${measured.map((share) => share.toFixed(0)).join(', ')} %`,
  );
  const failures = loads.flatMap((load) => load.failures);
  const answered = loads.reduce((sum, load) => sum + load.answered, 0);
  claims.check(
    'no call failed while the share changed',
    failures.length === 0,
    `${failures.length} of ${answered} failed`,
  );
  print.faults(failures);
}
