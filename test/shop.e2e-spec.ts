import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { HASTE } from '../apps/demo/acts/opening.js';
import { Claims } from '../apps/demo/support/claims.js';
import { Journal } from '../apps/demo/support/journal.js';
import { Posting } from '../apps/demo/support/posting.js';
import { Printer } from '../apps/demo/support/print.js';
import { restartInTurn } from '../apps/demo/support/rolling-restart.js';
import { Stage } from '../apps/demo/support/stage.js';
import { waitFor } from '../apps/demo/support/wait.js';
import { instancesOf, registeredAt, type ShopProcess } from '../apps/shop/fleet.js';
import { ProcessGroup } from '../apps/support/processes.js';
import { addSources, type BuiltPackage, buildPackage } from './support/built-package.js';

/** The example shop in processes of its own, as the demo shows it, and what the demo claims of it. */
let built: BuiltPackage;
let group: ProcessGroup;
let journal: Journal;
let printed: string[];

beforeAll(async () => {
  built = await buildPackage({ name: 'shop', type: 'module' });
  await addSources(built, 'apps');
  group = new ProcessGroup({ directory: pathToFileURL(`${built.consumer}/`), startTimeoutMs: 120_000 });
  journal = await Journal.create();
  printed = [];
}, 120_000);
afterAll(async () => {
  await group.stop();
  await journal.remove();
  await built.remove();
});

/**
 * As in the demo, but on a machine that is busy nobody is to be taken for ill, or for gone, since it is slow. A newcomer is
 * checked at once all the same.
 */
const PATIENCE = {
  ...HASTE,
  SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL: '60',
  SERVICE_DISCOVERY_HEALTH_CHECK_TIMEOUT: '60',
  SERVICE_DISCOVERY_SERVICE_TTL: '120',
};

/** Every service, each by two instances or more. */
function cast(registryUrl: string): ShopProcess[] {
  const env = { ...PATIENCE, ...registeredAt(registryUrl) };
  return [
    ...instancesOf('gateway', ['gateway-1', 'gateway-2'], env),
    ...instancesOf('user-service', ['user-1', 'user-2', 'user-3'], env),
    ...instancesOf('order-service', ['order-1', 'order-2'], env),
    ...instancesOf('inventory-service', ['inventory-1', 'inventory-2'], env),
    ...instancesOf('recommendation-service', ['recommendation-1', 'recommendation-2'], env),
    ...instancesOf('recommendation-backup', ['backup-1', 'backup-2'], env),
  ];
}

/** Opens the shop, and closes the test with what was claimed of it. */
async function play(act: (stage: Stage, names: readonly string[]) => Promise<void>): Promise<void> {
  const print = new Printer(false, (line) => printed.push(line));
  const claims = new Claims(print);
  const stage = new Stage(print, claims, group, journal);
  const registry = await stage.start({ name: 'registry', script: 'registry/main.js', env: { ...PATIENCE, PORT: '0' } });
  const specs = cast(registry.url);
  for (const spec of specs) await stage.start(spec);
  for (const { name } of specs) {
    await waitFor(name, async () => ((await stage.statusOf(name)) === 'healthy' ? true : undefined), 60_000);
  }
  await act(
    stage,
    specs.map(({ name }) => name),
  );
  process.stdout.write(`${printed.join('\n')}\n`);
  expect(printed.filter((line) => line.includes('✗'))).toEqual([]);
  expect(claims.exitCode).toBe(0);
}

it('a rolling restart of every instance of every service loses no call, and does nothing twice', async () => {
  await play((stage, names) =>
    restartInTurn(stage, names, (caller) => [
      caller.request('gateway', 'GET', '/shop/users/1'),
      caller.request('gateway', 'GET', '/shop/users/1/overview'),
      caller.request('gateway', 'GET', '/shop/users/2/recommendations'),
      new Posting(caller, 'gateway', '/shop/users/1/orders', ['order', 'reservation'], { sku: 'rope' }),
      new Posting(caller, 'gateway', '/shop/users/1/visits', ['visit']),
      new Posting(caller, 'gateway', '/shop/users/1/ratings', ['rating']),
      caller.request('gateway', 'GET', '/shop/stock/anvil'),
    ]),
  );
}, 600_000);
