/**
 * Photographs every view of the dashboard of a running shop, light and dark, at 1440 and 390 px, into dist/screenshots:
 * node scripts/screenshots.mjs [<folder>]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const root = join(import.meta.dirname, '..');
const [folder = join(root, 'dist/screenshots')] = process.argv.slice(2);
/** Enough for plots to have a line. */
const TRAFFIC_MS = 45_000;
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'];

const shop = spawn(process.execPath, [join(root, 'dist/apps/shop/main.js')], {
  env: { ...process.env, REGISTRY_PORT: '0', PORT: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = once(shop, 'exit');
let browser;
try {
  const { page, gateway } = await addressesOf(shop);
  const api = page.replace(/\/ui$/, '');
  const { instances } = await (await fetch(`${api}/services/user-service`)).json();
  const id = encodeURIComponent(instances[0].instance_id);
  await makeCalls(gateway);
  await fetch(`${api}/services/user-service/instances/${id}/status`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ status: 'maintenance', reason: 'a new disk' }),
  });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium', args: ARGS });
  await photograph(page, {
    overview: '#/',
    services: '#/services',
    service: '#/services/user-service',
    instance: `#/services/user-service/instances/${id}`,
    topology: '#/topology',
    calls: '#/calls',
    journal: '#/journal',
  });
  console.log(`screenshots: ${folder}`);
} finally {
  await browser?.close();
  shop.kill('SIGTERM');
  await ended;
}

/** The page of the gateway, which makes the calls, and the gateway itself, as the shop prints them. */
async function addressesOf({ stdout }) {
  for await (const line of createInterface({ input: stdout })) {
    const [, gateway] = /(http\S+)\/service-discovery\/ui \(as the gateway/.exec(line) ?? [];
    if (gateway === undefined) continue;
    stdout.resume();
    return { page: `${gateway}/service-discovery/ui`, gateway };
  }
  throw new Error('the shop ended before it was open');
}

async function makeCalls(gateway) {
  const end = performance.now() + TRAFFIC_MS;
  while (performance.now() < end) {
    await Promise.all(['users/1/overview', 'stock/anvil'].map((path) => fetch(`${gateway}/shop/${path}`)));
    await sleep(100);
  }
}

async function photograph(page, views) {
  await mkdir(folder, { recursive: true });
  for (const width of [1440, 390]) {
    for (const colorScheme of ['light', 'dark']) {
      const tab = await browser.newPage({ viewport: { width, height: width === 390 ? 844 : 820 }, colorScheme });
      await tab.goto(page);
      for (const [name, hash] of Object.entries(views)) {
        await tab.evaluate(`void (location.hash = ${JSON.stringify(hash)})`);
        await sleep(1_000);
        await tab.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      }
      await tab.close();
    }
  }
}
