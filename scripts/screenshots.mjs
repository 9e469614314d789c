/**
 * Photographs every view of the dashboard of a running shop, in which a service has failed and another one rolls out a version, light and dark, at 1440 and 390 px,
 * into dist/screenshots: node scripts/screenshots.mjs [<folder>]
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { instancesOf, registeredAt } from '../dist/apps/shop/fleet.js';
import { ProcessGroup } from '../dist/apps/support/processes.js';
import { startChromium } from '../dist/bench/support/chromium.js';

const [folder = join(import.meta.dirname, '../dist/screenshots')] = process.argv.slice(2);
/** Enough for plots to have lines, before and after the fault. */
const TRAFFIC_MS = 60_000;
const FAULT_MS = 40_000;

const group = new ProcessGroup();
let browser;
let traffic;
try {
  const registry = await group.start({
    name: 'registry',
    script: 'registry/main.js',
    env: { PORT: '0', SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL: '2' },
  });
  const env = registeredAt(registry.url);
  const start = (service, ...names) =>
    Promise.all(instancesOf(service, names, env).map((instance) => group.start(instance)));
  const inventory = await start('inventory-service', 'inventory-1', 'inventory-2');
  const [user, newUser] = await start('user-service', 'user-1', 'user-2', 'user-3');
  await start('order-service', 'order-1', 'order-2');
  await start('recommendation-service', 'recommendation-1');
  await start('recommendation-backup', 'backup-1');
  const [gateway] = await start('gateway', 'gateway');
  traffic = setInterval(() => makeCalls(gateway.url), 120);

  const users = `${registry.url}/service-discovery/services/user-service`;
  // A second address of a process stands for its next version.
  await send('POST', `${registry.url}/service-discovery/register`, {
    service_name: 'user-service',
    instance_id: 'user-4',
    host: '127.0.0.1',
    port: Number(new URL(newUser.url).port),
    version: '2.0.0',
    tags: ['api', 'user'],
    ttl: 300,
  });

  await sleep(TRAFFIC_MS);
  await send('PUT', `${users}/instances/${user.instanceId}/status`, { status: 'maintenance', reason: 'a new disk' });
  await send('PUT', `${users}/rollout`, { version: '2.x', reason: 'release 2' });
  for (const instance of inventory) instance.kill('SIGKILL');
  await sleep(FAULT_MS);

  browser = await startChromium();
  await mkdir(folder, { recursive: true });
  const instance = `#/services/inventory-service/instances/${encodeURIComponent(inventory[0].instanceId)}`;
  // The registry knows what all processes report; circuits and picks are those of the process that makes the calls.
  const views = {
    overview: [registry, '#/'],
    services: [registry, '#/services'],
    service: [gateway, '#/services/user-service'],
    'failed-service': [gateway, '#/services/inventory-service'],
    instance: [gateway, instance],
    topology: [registry, '#/topology'],
    calls: [registry, '#/calls'],
    journal: [registry, '#/journal'],
    action: [gateway, instance, 'Isolate'],
  };
  for (const [name, [{ url }, hash, action]] of Object.entries(views)) {
    await photograph(name, `${url}/service-discovery/ui${hash}`, action);
  }
  console.log(`screenshots: ${folder}`);
} finally {
  clearInterval(traffic);
  await browser?.close();
  await group.stop();
}

async function send(method, url, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}

/** Users do not wait for each other: so many come also while the shop is slow. */
function makeCalls(gateway) {
  for (const path of ['users/1', 'users/1/overview', 'stock/anvil']) {
    fetch(`${gateway}/shop/${path}`)
      .then((response) => response.arrayBuffer())
      .catch(() => undefined);
  }
}

/** @param action the button whose dialog is open on the picture */
async function photograph(name, url, action) {
  for (const width of [1440, 390]) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await browser.newPage({ viewport: { width, height: width === 390 ? 844 : 820 }, colorScheme });
      await page.goto(url);
      await sleep(1_500);
      if (action !== undefined) {
        await page.getByRole('button', { name: action, exact: true }).first().click();
        await page.getByRole('dialog').waitFor();
      }
      await page.screenshot({
        path: join(folder, `${name}-${width}-${colorScheme}.png`),
        fullPage: name !== 'journal' && action === undefined,
      });
      await page.close();
    }
  }
}
