import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, type Locator, type Page } from 'playwright-core';
import { instancesOf, registeredAt } from '../apps/shop/fleet.js';
import { ProcessGroup, type ServiceProcess } from '../apps/support/processes.js';
import { startChromium } from '../bench/support/chromium.js';
import { freePort } from '../bench/support/free-port.js';
import { addSources, buildPackage, type BuiltPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';
import { Nginx } from './support/nginx.js';

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

afterEach(async () => {
  // An answer that is still being made has no page to go to.
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.context().close();
});

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

/** Does what a button is for, with a reason. */
async function act(label: string, reason: string): Promise<void> {
  await page.getByRole('button', { name: label, exact: true }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill(reason);
  await dialog.getByRole('button', { name: label, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
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
  let gateway: ServiceProcess;
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
    const [caller] = instancesOf('gateway', ['gateway'], { ...env, ...registeredAt(registry.url) });
    gateway = await group.start(caller!);
    for (let calls = 0; calls < 5; calls++) await fetch(`${gateway.url}/shop/users/1`);
  }, 300_000);

  it.each(['light', 'dark'] as const)(
    'opens every view without an error, a request elsewhere or a serious finding of axe in %s',
    async (scheme) => {
      await open(gateway.url, '', scheme);
      const id = encodeURIComponent(users[1]!.instanceId);
      const views = {
        '#/': ['Overview', '.tiles'],
        '#/services': ['Services', '.services .virtual > .row'],
        '#/services/user-service': ['user-service', '.pipeline'],
        [`#/services/user-service/instances/${id}`]: [users[1]!.instanceId, '.reasons'],
        '#/topology': ['Topology', '.graph'],
        '#/calls': ['Calls', '.edges .virtual > .row'],
        '#/journal': ['Journal', '.journal .virtual > .row'],
      };
      for (const [hash, [title = '', content = '']] of Object.entries(views)) {
        await show(hash);
        await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
        await page.locator(content).first().waitFor();
        while ((await page.locator('.loading').count()) > 0) await page.waitForTimeout(50);
        expect([hash, await seriousFindings()]).toEqual([hash, []]);
      }
      expect(faults).toEqual([]);
    },
    120_000,
  );

  it('does and undoes each action, with its reason in the journal', async () => {
    const id = users[1]!.instanceId;
    await open(registry.url, `#/services/user-service/instances/${encodeURIComponent(id)}`);
    const status = page.locator('.view-head .badge');
    const circuit = page.locator('.circuit .badge');
    const actions = [
      ['Drain', status, /^draining$/, 'Bring back', /^healthy$/],
      ['Maintenance', status, /^maintenance$/, 'Bring back', /^healthy$/],
      ['Isolate', circuit, /^isolated \(forced\)$/, 'Automatic', /^closed$/],
      ['Hold closed', circuit, /^closed \(forced\)$/, 'Automatic', /^closed$/],
    ] as const;
    for (const [action, badge, done, undo, undone] of actions) {
      await act(action, `why ${action}`);
      await badge.filter({ hasText: done }).waitFor({ timeout: PATIENCE_MS });
      await page.waitForFunction('document.activeElement.closest(".actions") !== null');
      await act(undo, `why ${undo} after ${action}`);
      await badge.filter({ hasText: undone }).waitFor({ timeout: PATIENCE_MS });
    }
    await show('#/journal');
    for (const [action, , , undo] of actions) {
      await page.getByText(`why ${action}`).first().waitFor();
      await page.getByText(`why ${undo} after ${action}`).first().waitFor();
    }
    expect(faults).toEqual([]);
  });

  it('says on the overview which circuit is held, since when, by which operator and why, and undoes it there', async () => {
    await open(registry.url);
    await page.locator('.tile').first().waitFor();
    const held = page.getByRole('region', { name: 'Wrong now' }).locator('.fault', { hasText: 'The circuit of' });
    const circuits = [
      [
        `user-service/instances/${encodeURIComponent(users[1]!.instanceId)}`,
        'isolated',
        'has been held open',
        'refused at once',
      ],
      ['user-service', 'closed', 'has been held closed', 'go through, however many fail'],
    ] as const;
    for (const [path, state, text, effect] of circuits) {
      await fetch(`${registry.url}/service-discovery/circuit-breakers/${path}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ state, by: 'ada', reason: `why ${state}` }),
      });
      // The journal tells the page, which is not reloaded.
      await held.getByText(new RegExp(`${text} since \\d\\d:\\d\\d:\\d\\d \\(\\d+\\ss\\)$`)).waitFor();
      await held.getByText(new RegExp(`^By ada.*: why ${state}$`)).waitFor();
      await held.getByText(effect).waitFor();
      await page.getByRole('link', { name: /^Overview\s*\d wrong now$/ }).waitFor();
      expect(await seriousFindings()).toEqual([]);
      await held.getByRole('link').click();
      await page
        .getByRole('heading', { level: 1, name: state === 'closed' ? 'user-service' : users[1]!.instanceId })
        .waitFor();
      await page.getByText('(forced)').first().waitFor();
      await page.goBack();
      await act('Automatic', 'looked into');
      await held.waitFor({ state: 'detached' });
    }
    expect(faults).toEqual([]);
  });

  it('links the name of a service in the journal, and not that of a method with a policy', async () => {
    for (let calls = 0; calls < 5; calls++) await fetch(`${gateway.url}/shop/stock/1`);
    await fetch(`${gateway.url}/service-discovery/circuit-breakers/user-service`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ state: 'automatic' }),
    });
    await open(gateway.url, '#/journal');
    const lines = page.getByRole('table', { name: 'Journal' }).locator('.journal-text');
    await lines.filter({ hasText: 'user-service to automatic' }).getByRole('link', { name: 'user-service' }).waitFor();
    const ofMethod = lines.filter({ hasText: 'stock-display' });
    await ofMethod.first().waitFor();
    expect(await ofMethod.getByRole('link').count()).toBe(0);
    expect(faults).toEqual([]);
  });

  it('shows how calls are split, why a rollout went back, and ends one', async () => {
    const put = async (path: string, body: object): Promise<number> => {
      const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      return (
        await fetch(`${registry.url}/service-discovery/services/user-service/${path}`, { method: 'PUT', ...json })
      ).status;
    };
    await open(registry.url, '#/services/user-service');
    await page.locator('.pipeline').waitFor();
    const section = page.getByRole('region', { name: 'How its calls are split' });
    expect(await section.count()).toBe(0);

    expect(await put('rollout', { version: '2.x', max_p99: '500ms' })).toBe(200);
    await section.getByText('Version 2.x has been getting 5% of the calls').waitFor();
    expect(await section.locator('[aria-current=step]').innerText()).toBe('5%');
    await section.getByText('Calls go back to the other versions above 5% errors or a p99 of 500 ms').waitFor();
    expect(await seriousFindings()).toEqual([]);
    await act('Roll back', 'a wrong build');
    await section.getByText('aborted').waitFor();
    await section.getByText('Why: a wrong build').waitFor();
    await act('Forget', 'built again');
    await section.waitFor({ state: 'detached' });

    const plan = { stepMs: 60_000, maxErrorRate: 0.05, minAttempts: 20, beat: 1, since: Date.now() };
    const rollout = { version: '2.x', steps: [10, 100], ...plan, state: 'rolled_back', step: 0, reason: '8% errors' };
    const via = { url: 'http://127.0.0.1:9/users', share: 12.5 };
    expect(await put('split', { split: { via, rollout }, replaces: {} })).toBe(200);
    await page.reload();
    await section.getByText('rolled back').waitFor();
    await section.getByText('Why: 8% errors').waitFor();
    await section.getByText('12.5% of the calls go through the gateway at http://127.0.0.1:9/users').waitFor();
    expect(await put('split', { split: {}, replaces: { via, rollout } })).toBe(200);
    await page.reload();
    await page.locator('.pipeline').waitFor();
    await section.waitFor({ state: 'detached' });
    await show('#/journal');
    await page.getByText('a wrong build').first().waitFor();
    await page.getByText('built again').first().waitFor();
    expect(faults).toEqual([]);
  });

  it('keeps in its address what a request is asked about', async () => {
    await open(gateway.url, '#/services/user-service');
    const asked = page.getByRole('region', { name: 'Where a request would go' });
    await asked.getByText(/^One of \d instances?, by/).waitFor();
    await asked.getByLabel('Version').fill('^9');
    await asked.getByLabel('Version').press('Enter');
    await asked.getByText('The call would fail: no match').waitFor();
    await page.reload();
    await asked.getByText('The call would fail: no match').waitFor();
    expect(await asked.getByLabel('Version').inputValue()).toBe('^9');
  });

  it('is walked by keyboard: to the content, into a view, a dialog and back', async () => {
    await open(registry.url);
    await page.locator('.tile').first().waitFor();
    const press = async (key: string): Promise<string | null> => {
      await page.keyboard.press(key);
      return page.evaluate<string | null>('document.activeElement.textContent');
    };
    expect(await press('Tab')).toBe('Skip to the content');
    await press('Enter');
    await page.waitForFunction('document.activeElement.id === "main"');
    // The first link of the content.
    await press('Tab');
    await show('#/services/user-service');
    await page.locator('.instances .row').first().waitFor();
    await page.waitForFunction('document.activeElement.tagName === "H1"');
    let focused: string | null = '';
    for (let tabs = 0; focused !== 'Drain' && tabs < 20; tabs++) focused = await press('Tab');
    expect(focused).toBe('Drain');
    await press('Enter');
    await page.waitForFunction('document.activeElement.closest("dialog") !== null');
    expect(await seriousFindings()).toEqual([]);
    await press('Escape');
    await page.waitForFunction('document.activeElement.textContent === "Drain"');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('uses Topology, Calls and Journal by keyboard, with the focus in sight', async () => {
    await open(gateway.url, '#/topology');
    const tabTo = async (wanted: Locator): Promise<void> => {
      await wanted.waitFor();
      const isFocused = async (): Promise<boolean> => (await wanted.and(page.locator(':focus')).count()) === 1;
      for (let tabs = 0; tabs < 60 && !(await isFocused()); tabs++) await page.keyboard.press('Tab');
      expect([String(wanted), await isFocused()]).toEqual([String(wanted), true]);
      const look = await page.evaluate<string>(`(() => {
        const box = document.activeElement.querySelector('.node-box');
        return box ? getComputedStyle(box).strokeWidth : getComputedStyle(document.activeElement).outlineStyle;
      })()`);
      expect([String(wanted), look]).toEqual([String(wanted), expect.stringMatching(/^(3px|solid)$/)]);
    };
    const titled = (name: string): Promise<void> =>
      page.getByRole('heading', { level: 1, name, exact: true }).waitFor();

    await tabTo(page.getByRole('combobox', { name: 'Around' }));
    await page.keyboard.press('ArrowDown');
    await page.waitForFunction('location.hash.includes("around=gateway")');
    await tabTo(page.getByRole('link', { name: /^user-service\s*healthy · \d\/\d$/ }));
    await page.keyboard.press('Enter');
    await titled('user-service');
    await page.goBack();
    await titled('Topology');

    await show('#/calls');
    const plot = page.getByRole('slider', { name: 'Calls a second, over time' });
    await tabTo(plot);
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    await plot.and(page.locator('[aria-valuenow="1"]')).waitFor();
    expect(await plot.getAttribute('aria-valuetext')).toMatch(/^\d\d:\d\d:\d\d: calls [\d.]+\/s, errors 0\/s$/);
    await tabTo(page.getByRole('button', { name: 'Errors' }));
    await page.keyboard.press('Enter');
    await page.getByRole('columnheader', { name: 'Errors' }).and(page.locator('[aria-sort="descending"]')).waitFor();
    await tabTo(page.getByRole('table').getByRole('link', { name: 'user-service' }));
    await page.keyboard.press('Enter');
    await titled('user-service');

    await show('#/journal');
    await tabTo(page.getByRole('button', { name: 'Hold still' }));
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Follow again', pressed: true }).waitFor();
    await tabTo(page.getByRole('searchbox', { name: 'Text' }));
    await page.keyboard.type('registered at');
    await page.waitForFunction('location.hash.includes("q=registered+at")');
    await page.reload();
    await titled('Journal');
    const links = page.getByRole('table', { name: 'Journal' }).getByRole('link');
    await tabTo(links.nth(0));
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByText('instance.registered').waitFor();
    await page.waitForFunction('location.hash.includes("entry=")');
    expect(await seriousFindings()).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await tabTo(links.nth(1));
    await page.keyboard.press('Enter');
    await page.getByRole('navigation', { name: 'Where this is' }).waitFor();
    expect(faults).toEqual([]);
  }, 60_000);

  it('shows a killed instance as unhealthy within 2 s of the registry knowing', async () => {
    const { instanceId } = users[0]!;
    await open(registry.url, '#/services/user-service');
    const badge = page.locator('.instances .row', { hasText: instanceId }).locator('.badge');
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

  it('answers what is down, since when, what it affects, where calls go, and why an instance gets none', async () => {
    const { instanceId } = users[0]!;
    await open(gateway.url);
    const fault = page.locator('.fault', { hasText: 'user-service' });
    await fault.getByText(/has been degraded since \d\d:\d\d:\d\d \(\d+\ss\)/).waitFor();
    await fault.getByText('1 of 3 instances of user-service cannot be called').waitFor();
    await fault.getByText('Affects').waitFor();
    await fault.getByRole('link', { name: 'gateway' }).waitFor();

    await fault.getByRole('link', { name: 'Show in topology' }).click();
    await page.getByRole('link', { name: /^gateway/, description: 'affected by a fault' }).waitFor();

    await show('#/services');
    const rows = page.locator('.services .virtual > .row');
    await rows.nth(1).waitFor();
    await page.getByLabel('Status').selectOption('failing only');
    await rows.nth(1).waitFor({ state: 'detached' });
    await page.waitForFunction('location.hash === "#/services?status=failing"');
    await rows.getByRole('link', { name: 'user-service' }).click();

    const asked = page.getByRole('region', { name: 'Where a request would go' });
    await asked.getByText('One of 2 instances').waitFor();
    await asked.getByRole('row', { name: instanceId }).getByText('no: unhealthy').waitFor();

    await page.getByRole('link', { name: instanceId }).first().click();
    const reasons = page.getByRole('region', { name: 'Why it has this status' });
    await reasons.getByText(/^Health checks: unhealthy since/).waitFor();
    await page.getByText('A call now does not go to it: unhealthy').waitFor();
    await page.getByRole('img', { name: /^healthy before, then unhealthy for/ }).waitFor();
    expect(faults).toEqual([]);
  });
});

it('npm start prints the address of the dashboard first', async () => {
  const env = { ...process.env, REGISTRY_PORT: '0', PORT: '0' };
  const shop = spawn(process.execPath, [join(built.consumer, 'shop/main.js')], { env });
  const ended = once(shop, 'exit');
  try {
    const [line] = (await once(createInterface(shop.stdout), 'line')) as [string];
    await open(/^Dashboard: (\S+)\/service-discovery\/ui$/.exec(line)![1]!);
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  } finally {
    shop.kill();
    await ended;
  }
});

describe('the dashboard of a reader', () => {
  const READ_TOKEN = 'a-token-that-may-only-read-things';
  const MARKUP = '<img src=x onerror=alert(1)>';

  it('asks for a token, shows markup as text and secrets masked, and no action, which the API refuses anyway', async () => {
    const { url } = await group.start({ name: 'reader', script: 'dashboard-app.mjs', env: { READ_TOKEN, MARKUP } });
    await open(url, '#/services/user-service/instances/u1');
    const token = page.getByLabel('Token');
    await token.and(page.locator(':focus')).waitFor();
    await page.keyboard.type('a-wrong-token');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText("The token of the request is none of the registry's").waitFor();
    await token.fill(READ_TOKEN);
    await page.keyboard.press('Enter');
    await page.getByText(MARKUP).first().waitFor();
    await page.getByText('"password": "***"').waitFor();
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.getByRole('button', { name: /Drain|Maintenance|Isolate|Hold closed/ }).count()).toBe(0);
    await show('#/services/user-service');
    await page.getByText('<img>').first().waitFor();
    expect(await page.locator('img').count()).toBe(0);
    const headers = { authorization: `Bearer ${READ_TOKEN}`, 'content-type': 'application/json' };
    const put = async (path: string, body: object): Promise<number> =>
      (await fetch(`${url}/service-discovery/${path}`, { method: 'PUT', headers, body: JSON.stringify(body) })).status;
    for (const status of ['draining', 'maintenance', 'up']) {
      expect(await put('services/user-service/instances/u1/status', { status })).toBe(403);
    }
    for (const state of ['isolated', 'closed', 'automatic']) {
      expect(await put('circuit-breakers/user-service', { state })).toBe(403);
      expect(await put('circuit-breakers/user-service/instances/u1', { state })).toBe(403);
    }
    // Chromium reports each answer of 401 and 403 by itself.
    expect(faults.filter((fault) => !/40[13]/.test(fault))).toEqual([]);
  });
});

describe('the dashboard of a process that is gone', () => {
  it('says so, and claims no longer that nothing is wrong', async () => {
    const app = await group.start({ name: 'gone', script: 'dashboard-app.mjs' });
    await open(app.url);
    await page.getByText('Nothing is wrong').waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    app.kill('SIGKILL');
    await page.getByText('The server does not answer').waitFor();
    await page.getByText(/^What follows was read at \d\d:\d\d:\d\d/).waitFor();
    expect(await page.getByText('Nothing is wrong').count()).toBe(0);
    await show('#/journal');
    await page.getByText('the stream is interrupted').waitFor();
    await show('#/services/user-service');
    await page.getByText('Loading…').waitFor();
    // Once for the page, not for each of its parts.
    await page.getByRole('alert').waitFor();
    await page.getByText('Reconnecting', { exact: true }).waitFor();
  });

  it('reads again soon what got no answer once', async () => {
    const { url } = await group.start({ name: 'hiccup', script: 'dashboard-app.mjs' });
    await open(url);
    await page.getByText('Live', { exact: true }).waitFor();
    let failures = 0;
    await page.route('**/pipeline/user-service', (route) => (failures++ === 0 ? route.abort() : route.continue()));
    await show('#/services/user-service');
    const pipeline = page.getByRole('region', { name: 'Pipeline of a call' });
    await pipeline.getByText('The server does not answer').waitFor();
    // Settings, which hardly change, are read once a minute otherwise.
    await pipeline.getByText('Load balancing').waitFor({ timeout: PATIENCE_MS });
    expect(await pipeline.getByRole('alert').count()).toBe(0);
  });
});

describe('the dashboard of a registry with labels', () => {
  let url: string;

  beforeAll(async () => {
    ({ url } = await group.start({ name: 'labels', script: 'dashboard-app.mjs' }));
    const labels = {
      orders: { zone: 'eu-1', tier: 'app', tags: ['api'], version: '1.0.0' },
      mail: { zone: 'eu-2', tier: 'data', tags: ['batch'], version: '2.0.0' },
    };
    for (const [service_name, own] of Object.entries(labels)) {
      const body = JSON.stringify({ service_name, host: '127.0.0.1', port: 9, ...own });
      const json = { headers: { 'content-type': 'application/json' }, body };
      const { status } = await fetch(`${url}/service-discovery/register`, { method: 'POST', ...json });
      expect(status).toBe(201);
    }
  });

  it('lists the services of a zone, a tier, a tag and a version, and keeps them in its address', async () => {
    await open(url, '#/services');
    const rows = page.locator('.services .virtual > .row');
    const names = rows.getByRole('link');
    const clear = page.getByRole('button', { name: 'Clear the filters' });
    const filters = [
      ['zone', 'eu-1', 'orders'],
      ['tier', 'data', 'mail'],
      ['tag', 'api', 'orders'],
      ['version', '2.0.0', 'mail'],
    ] as const;
    await rows.nth(2).waitFor();
    for (const [label, value, kept] of filters) {
      const choice = page.getByRole('search', { name: 'Services' }).getByLabel(label);
      await choice.selectOption(value);
      await page.getByText('1 of 3 services').waitFor();
      expect([label, await names.allInnerTexts()]).toEqual([label, [kept]]);
      await page.reload();
      await page.getByText('1 of 3 services').waitFor();
      expect([label, await names.allInnerTexts()]).toEqual([label, [kept]]);
      await choice.selectOption('all');
      await rows.nth(2).waitFor();
    }
    await show('#/services?zone=eu-1&tier=data');
    await page.getByText('No service matches').waitFor();
    await clear.click();
    await rows.nth(2).waitFor();
    expect(faults).toEqual([]);
  });

  it('says on the overview whose expiry is held, since when, and for how many', async () => {
    await open(url);
    await page.getByText('Nothing is wrong').waitFor();
    const since = new Date(Date.now() - 65_000).toISOString();
    await page.route('**/service-discovery/overview', async (intercepted) => {
      const answer = await intercepted.fetch();
      const overview = (await answer.json()) as { registry: object };
      const held_expiry = [{ service_name: 'orders', since, overdue: 9, total: 10 }];
      return intercepted.fulfill({ json: { ...overview, registry: { ...overview.registry, held_expiry } } });
    });
    await page.reload();
    const notice = page.getByRole('region', { name: 'Wrong now' }).locator('.fault');
    await notice.getByText(/^Expiry of orders has been held since \d\d:\d\d:\d\d \(\d+\s(s|min)\)$/).waitFor();
    await notice.getByText('9 of 10 instances missed their heartbeats at once, so none is removed').waitFor();
    expect(await page.getByText('Nothing is wrong').count()).toBe(0);
    await page.getByRole('link', { name: /^Overview\s*1 wrong now$/ }).waitFor();
    expect(await seriousFindings()).toEqual([]);
    await notice.getByRole('link', { name: 'orders' }).click();
    await page.getByRole('heading', { level: 1, name: 'orders' }).waitFor();
    expect(faults).toEqual([]);
  });
});

describe('the dashboard of a registry with text of strangers', () => {
  // Without spaces and brackets, which paths and queries encode differently.
  const MARKUP = '<img/src=x/onerror=alert`1`>';
  const ISO_TIME = /^\d{4}-\d\d-\d\dT/;

  it('shows markup in every text of every answer as text, in every view', async () => {
    const { url } = await group.start({ name: 'markup', script: 'dashboard-app.mjs' });
    await open(url, '#/services');
    page.on('dialog', (dialog) => void dialog.dismiss().then(() => faults.push('a script of the markup has run')));
    await page.route('**/service-discovery/**', async (intercepted) => {
      const request = intercepted.request();
      if (/\/ui|\/stream/.test(request.url())) return intercepted.continue();
      const asked = request.url().replaceAll(encodeURIComponent(MARKUP), '');
      const answer = await fetch(asked, { headers: { accept: 'application/json' } });
      const marked: unknown = JSON.parse(await answer.text(), (_key, value: unknown) =>
        typeof value === 'string' && !ISO_TIME.test(value) ? value + MARKUP : value,
      );
      return intercepted.fulfill({ status: answer.status, json: marked });
    });
    await page.reload();
    const service = encodeURIComponent(`user-service${MARKUP}`);
    const instance = `#/services/${service}/instances/${encodeURIComponent(`u1${MARKUP}`)}`;
    for (const hash of ['#/', '#/services', `#/services/${service}`, instance, '#/topology', '#/calls', '#/journal']) {
      await show(hash);
      await page.getByRole('heading', { level: 1 }).waitFor();
      while ((await page.locator('.loading').count()) > 0) await page.waitForTimeout(50);
      expect([hash, await page.locator('img').count()]).toEqual([hash, 0]);
    }
    await show(instance);
    await page.getByText(`"note": "text${MARKUP}"`).waitFor();
    expect(faults).toEqual([]);
  });

  it('takes nothing from a page of another origin', async () => {
    const { url } = await group.start({ name: 'target', script: 'dashboard-app.mjs' });
    const api = `${url}/service-discovery`;
    const registration = JSON.stringify({ service_name: 'attacker', host: '127.0.0.1', port: 9 });
    const attack = `
      const send = (method, path, body, mode, type) =>
        fetch('${api}/' + path, { method, mode, body, headers: { 'content-type': type } }).catch(() => undefined);
      const status = '{"status":"maintenance"}';
      const path = 'services/user-service/instances/u1';
      window.done = Promise.all([
        send('PUT', path + '/status', status, 'cors', 'application/json'),
        send('POST', path + '/status', status, 'no-cors', 'text/plain'),
        send('POST', 'register', ${JSON.stringify(registration)}, 'no-cors', 'text/plain'),
        send('POST', 'register', ${JSON.stringify(registration)}, 'cors', 'application/json'),
        send('DELETE', path, undefined, 'cors', 'text/plain'),
        send('PUT', 'circuit-breakers/user-service', '{"state":"isolated"}', 'cors', 'application/json'),
      ]).then(() => new Promise((loaded) => {
        const frame = document.createElement('iframe');
        frame.name = 'frame';
        document.body.append(frame);
        const form = document.createElement('form');
        Object.assign(form, { method: 'post', action: '${api}/register', enctype: 'text/plain', target: 'frame' });
        const input = document.createElement('input');
        Object.assign(input, { name: ${JSON.stringify(registration.slice(0, -1) + ',"x":"')}, value: '"}' });
        form.append(input);
        document.body.append(form);
        frame.onload = () => loaded();
        form.submit();
      }));`;
    const evil = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end(`<body><script>${attack}</script></body>`);
    }).listen(0, '127.0.0.1');
    await once(evil, 'listening');
    try {
      page = await (await browser.newContext()).newPage();
      await page.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}`);
      await page.evaluate('window.done');
    } finally {
      evil.close();
      evil.closeAllConnections();
    }
    const list = (await (await fetch(`${api}/services`)).json()) as {
      services: { service_name: string; instances: { instance_id: string; operator_status: string }[] }[];
    };
    expect(list.services).toMatchObject([
      { service_name: 'user-service', instances: [{ instance_id: 'u1', operator_status: 'up' }] },
    ]);
    const { circuit_breakers: circuits } = (await (await fetch(`${api}/circuit-breakers`)).json()) as {
      circuit_breakers: { forced: string | null }[];
    };
    expect(circuits.filter(({ forced }) => forced !== null)).toEqual([]);
  });
});

describe('the dashboard behind a path of nginx, of an app with a global prefix', () => {
  const READ_TOKEN = 'a-token-that-may-only-read-things';

  it('finds its files, its data and its stream', async () => {
    const app = await group.start({ name: 'behind', script: 'dashboard-app.mjs', env: { READ_TOKEN, PREFIX: 'api' } });
    const listen = await freePort();
    const nginx = await Nginx.start(Number(new URL(app.url).port), 'proxy_buffering off;', {
      location: '/tools/',
      listen,
    });
    try {
      const base = `http://127.0.0.1:${listen}/tools/api`;
      await open(base, '#/services/user-service');
      await page.getByLabel('Token').fill(READ_TOKEN);
      await page.getByRole('button', { name: 'Open the dashboard' }).click();
      await page.locator('.instances .row').getByText('u1').waitFor();
      await page.getByText('Live', { exact: true }).waitFor();
      // A slash at the end leads to the page, too.
      await page.goto(`${base}/service-discovery/ui/#/topology`);
      await page.getByRole('heading', { level: 1, name: 'Topology' }).waitFor();
      expect(new URL(page.url()).pathname).toBe('/tools/api/service-discovery/ui');
      expect(faults.filter((fault) => !fault.includes('401'))).toEqual([]);
    } finally {
      await nginx.stop();
    }
  });
});
