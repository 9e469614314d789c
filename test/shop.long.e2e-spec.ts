import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { standstill } from '../apps/demo/acts/standstill.js';
import { Claims } from '../apps/demo/support/claims.js';
import { Journal } from '../apps/demo/support/journal.js';
import { killUnderCalls } from '../apps/demo/support/kill-under-calls.js';
import { Posting } from '../apps/demo/support/posting.js';
import { Printer } from '../apps/demo/support/print.js';
import { restartInTurn } from '../apps/demo/support/rolling-restart.js';
import { Stage } from '../apps/demo/support/stage.js';
import { waitFor } from '../apps/demo/support/wait.js';
import { instancesOf, registeredAt } from '../apps/shop/fleet.js';
import { ProcessGroup } from '../apps/support/processes.js';
import { addSources, type BuiltPackage, buildPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';

/** The example shop in separate processes, as the demo runs it, and the demo's claims. */
let built: BuiltPackage;
let journal: Journal;

beforeAll(async () => {
  built = await buildPackage({ name: 'shop', type: 'module' });
  await addSources(built, 'apps');
  journal = await Journal.create();
}, BUILD_TIMEOUT_MS);
afterAll(async () => {
  await journal.remove();
  await built.remove();
});

/**
 * The library's default checks and leases, unlike the demo's: on a busy machine a slow instance must not be taken for
 * unhealthy or gone. A new instance is checked at once anyway.
 */
const PATIENCE: Readonly<Record<string, string>> = {
  SERVICE_DISCOVERY_CIRCUIT_BREAKER_RECOVERY_TIMEOUT: '2',
  SERVICE_DISCOVERY_RETRY_BASE_DELAY: '0.05',
};

/**
 * Opens a shop, and evaluates the claims when the test ends.
 * @param staff the instances of each service
 */
async function play(
  staff: Readonly<Record<string, readonly string[]>>,
  act: (stage: Stage, names: readonly string[]) => Promise<void>,
): Promise<void> {
  const printed: string[] = [];
  const claims = new Claims(new Printer(false, (line) => printed.push(line)));
  const group = new ProcessGroup({ directory: pathToFileURL(`${built.consumer}/`), startTimeoutMs: 120_000 });
  const stage = new Stage(new Printer(false, (line) => printed.push(line)), claims, group, journal);
  try {
    const registry = { name: 'registry', script: 'registry/main.js', env: { ...PATIENCE, PORT: '0' } };
    const { url } = await stage.start(registry);
    const env = { ...PATIENCE, ...registeredAt(url) };
    const specs = Object.entries(staff).flatMap(([service, names]) => instancesOf(service, names, env));
    for (const spec of specs) await stage.start(spec);
    const names = specs.map(({ name }) => name);
    const isHealthy = async (name: string): Promise<boolean> => (await stage.statusOf(name)) === 'healthy';
    for (const name of names) await waitFor(name, async () => (await isHealthy(name)) || undefined, 60_000);
    await act(stage, names);
  } finally {
    await group.stop();
  }
  process.stdout.write(`${printed.join('\n')}\n`);
  expect(printed.filter((line) => line.includes('✗'))).toEqual([]);
  expect(claims.exitCode).toBe(0);
}

const USERS = { 'user-service': ['user-1', 'user-2', 'user-3'] };
const SHOP = {
  gateway: ['gateway-1', 'gateway-2'],
  ...USERS,
  'order-service': ['order-1', 'order-2'],
  'inventory-service': ['inventory-1', 'inventory-2'],
  'recommendation-service': ['recommendation-1', 'recommendation-2'],
  'recommendation-backup': ['backup-1', 'backup-2'],
};

it('a rolling restart of every instance of every service fails no call and repeats no side effect', async () => {
  await play(SHOP, (stage, names) =>
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

it('a killed instance costs each caller one attempt that could not be sent, and no call', async () => {
  await play(USERS, (stage) => killUnderCalls(stage, 'user-2', async () => undefined));
}, 600_000);

it('a stalled instance costs as many attempts as open its circuit, no calls, and returns by itself', async () => {
  await play(USERS, standstill);
}, 600_000);
