import { copyFile, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, type Page } from 'playwright-core';
import { instancesOf, registeredAt } from '../apps/shop/fleet.js';
import { ProcessGroup, type ServiceProcess } from '../apps/support/processes.js';
import { addSources, buildPackage, type BuiltPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';
import { startChromium } from './support/chromium.js';

const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const SEEN_MS = 2_000;
const PATIENCE_MS = 30_000;

let built: BuiltPackage;
let browser: Browser;
let group: ProcessGroup;
let page: Page;
/** Errors of the console, exceptions and requests to other hosts. */
let faults: string[];

beforeAll(async () => {
  built = await buildPackage({ name: 'shop', type: 'module' });
  await addSources(built, 'apps');
  await copyFile(join(import.meta.dirname, 'support/dashboard-app.mjs'), join(built.consumer, 'dashboard-app.mjs'));
  browser = await startChromium();
  group = new ProcessGroup({ directory: pathToFileURL(`${built.consumer}/`), startTimeoutMs: 120_000 });
}, BUILD_TIMEOUT_MS);

afterEach(() => page.context().close());

afterAll(async () => {
  await browser.close();
  await group.stop();
  await built.remove();
});

async function open(origin: string, hash = '', colorScheme: 'light' | 'dark' = 'light'): Promise<void> {
  page = await (await browser.newContext({ colorScheme, viewport: { width: 1280, height: 900 } })).newPage();
  faults = [];
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('pageerror', ({ message }) => faults.push(message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:')) faults.push(request.url());
  });
  await page.goto(`${origin}/service-discovery/ui${hash}`);
}

/** Without a reload. */
function show(hash: string): Promise<void> {
  return page.evaluate(`void (location.hash = ${JSON.stringify(hash)})`);
}

async function seriousFindings(): Promise<string[]> {
  // The debugger's way, which the page's Content-Security-Policy leaves open.
  await page.evaluate(await readFile(axePath, 'utf8'));
  return page.evaluate(async () => {
    interface Axe {
      run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
    }
    const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  });
}

describe('the dashboard of the shop', () => {
  let registry: ServiceProcess;
  let users: ServiceProcess[];

  beforeAll(async () => {
    const env = { SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL: '1' };
    registry = await group.start({ name: 'registry', script: 'registry/main.js', env: { ...env, PORT: '0' } });
    users = [];
    for (const spec of instancesOf('user-service', ['user-1', 'user-2', 'user-3'], {
      ...env,
      ...registeredAt(registry.url),
    })) {
      users.push(await group.start(spec));
    }
  }, 300_000);

  it.each(['light', 'dark'] as const)(
    'opens every view without an error, a request elsewhere or a serious finding of axe in %s',
    async (scheme) => {
      await open(registry.url, '', scheme);
      const id = encodeURIComponent(users[1]!.instanceId);
      const views = {
        '#/': 'Overview',
        '#/services': 'Services',
        '#/services/user-service': 'user-service',
        [`#/services/user-service/instances/${id}`]: users[1]!.instanceId,
        '#/topology': 'Topology',
        '#/calls': 'Calls',
        '#/journal': 'Journal',
      };
      for (const [hash, title] of Object.entries(views)) {
        await show(hash);
        await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
        while ((await page.locator('.loading').count()) > 0) await page.waitForTimeout(50);
        expect([hash, await seriousFindings()]).toEqual([hash, []]);
      }
      expect(faults).toEqual([]);
    },
    120_000,
  );

  it('drains an instance and puts it up again, and isolates a circuit and lets it go', async () => {
    const id = users[1]!.instanceId;
    await open(registry.url, `#/services/user-service/instances/${encodeURIComponent(id)}`);
    const act = async (label: string, reason = ''): Promise<void> => {
      await page.getByRole('button', { name: label, exact: true }).first().click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Reason').fill(reason);
      await dialog.getByRole('button', { name: label, exact: true }).click();
      await dialog.waitFor({ state: 'detached' });
    };
    await act('Drain', 'a new disk');
    await page.locator('.view-head .badge.is-draining').waitFor({ timeout: PATIENCE_MS });
    await act('Put up');
    await page.locator('.view-head .badge.is-healthy').waitFor({ timeout: PATIENCE_MS });
    await act('Isolate', 'too slow');
    await page.locator('.circuit .badge.is-unhealthy').waitFor({ timeout: PATIENCE_MS });
    await act('Automatic');
    await page.locator('.circuit .badge.is-healthy').waitFor({ timeout: PATIENCE_MS });
    await show('#/journal');
    await page.getByText('a new disk').first().waitFor();
    await page.getByText('too slow').first().waitFor();
    expect(faults).toEqual([]);
  });

  it('shows a killed instance as unhealthy within 2 s of the registry knowing', async () => {
    const { instanceId } = users[0]!;
    await open(registry.url, '#/services/user-service');
    const badge = page.locator('.instance', { hasText: instanceId }).locator('.badge');
    await badge.filter({ hasText: 'healthy' }).waitFor();
    const isKnown = async (): Promise<boolean> => {
      const answer = await fetch(`${registry.url}/service-discovery/services/user-service`);
      const { instances } = (await answer.json()) as { instances: { instance_id: string; status: string }[] };
      return instances.some((one) => one.instance_id === instanceId && one.status === 'unhealthy');
    };
    users[0]!.kill('SIGKILL');
    while (!(await isKnown())) await page.waitForTimeout(50);
    await badge.and(page.locator('.is-unhealthy')).waitFor({ timeout: SEEN_MS });
  });
});

describe('the dashboard of a reader', () => {
  const READ_TOKEN = 'a-token-that-may-only-read-things';
  const MARKUP = '<img src=x onerror=alert(1)>';

  it('asks for a token, shows markup as text and secrets masked, and no action, which the API refuses anyway', async () => {
    const { url } = await group.start({ name: 'reader', script: 'dashboard-app.mjs', env: { READ_TOKEN, MARKUP } });
    await open(url, '#/services/user-service/instances/u1');
    await page.getByLabel('Token').fill(READ_TOKEN);
    await page.getByRole('button', { name: 'Open the dashboard' }).click();
    await page.getByText(MARKUP).first().waitFor();
    await page.getByText('"password": "***"').waitFor();
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.getByRole('button', { name: /Drain|Maintenance|Isolate|Hold closed/ }).count()).toBe(0);
    await show('#/services/user-service');
    await page.getByText('<img>').first().waitFor();
    expect(await page.locator('img').count()).toBe(0);
    const headers = { authorization: `Bearer ${READ_TOKEN}`, 'content-type': 'application/json' };
    const path = '/service-discovery/services/user-service/instances/u1/status';
    const refused = await fetch(url + path, { method: 'PUT', headers, body: '{"status":"draining"}' });
    expect(refused.status).toBe(403);
    // Chromium reports each answer of 401 by itself.
    expect(faults.filter((fault) => !fault.includes('401'))).toEqual([]);
  });
});
