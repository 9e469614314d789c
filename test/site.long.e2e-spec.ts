import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { type AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, type Page } from 'playwright-core';
import { startChromium } from '../bench/support/chromium.js';
import { BUILD_TIMEOUT_MS } from './support/built-package.js';

const root = join(import.meta.dirname, '..');
const site = join(root, 'dist/docs/site');
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
/** The windows in which each page is seen, and the rules of axe that can find something in one alone; null: all. */
const WINDOWS = [
  { width: 1440, colorScheme: 'light', rules: null },
  { width: 390, colorScheme: 'dark', rules: ['color-contrast', 'scrollable-region-focusable'] },
] as const;
/** What is the same on every page: axe looks at it on the start page alone, which saves a fifth of the time. */
const FRAME = ['.VPNav', '.VPLocalNav', '.VPSidebar'];
/** Pages that are open at once: axe keeps a core busy for a second a page. */
const PAGES_AT_ONCE = 2;

interface Seen {
  readonly faults: string[];
  readonly links: string[];
  readonly anchors: string[];
}

let server: Server;
let browser: Browser;
let origin: string;
let pages: string[];
const seen = new Map<string, Seen>();

beforeAll(async () => {
  await promisify(execFile)(process.execPath, [join(root, 'scripts/docs.mjs')]);
  pages = (await readdir(site, { recursive: true })).filter((name) => name.endsWith('.html'));
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, origin);
    const file = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
    readFile(join(site, extname(file) === '' ? `${file}.html` : file)).then(
      (content) => response.setHeader('content-type', TYPES[extname(file)] ?? 'text/html').end(content),
      () => response.writeHead(404).end(),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await startChromium();
  const unseen = pages.values();
  const look = async (): Promise<void> => {
    const page = await browser.newPage();
    for (const path of unseen) seen.set(path, await lookAt(page, path));
  };
  await Promise.all(Array.from({ length: PAGES_AT_ONCE }, look));
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  await browser.close();
  server.closeAllConnections();
  server.close();
});

/** In each window. */
async function lookAt(page: Page, path: string): Promise<Seen> {
  const faults: string[] = [];
  page.removeAllListeners();
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('pageerror', ({ message }) => faults.push(message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:')) faults.push(request.url());
  });
  for (const [index, { width, colorScheme, rules }] of WINDOWS.entries()) {
    await page.setViewportSize({ width, height: 844 });
    await page.emulateMedia({ colorScheme });
    if (index === 0) await page.goto(`${origin}/${path}`);
    const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    if (overflow > 0) faults.push(`${overflow} px wider than ${width} px`);
    faults.push(
      ...(await findingsOf(page, path === 'index.html' ? [] : FRAME, rules)).map(
        (finding) => `${finding} (${colorScheme})`,
      ),
    );
  }
  const links = await page.evaluate<string[]>('[...document.querySelectorAll("a[href]")].map(({ href }) => href)');
  const anchors = await page.evaluate<string[]>('[...document.querySelectorAll("[id]")].map(({ id }) => id)');
  return { faults, links, anchors };
}

/** What axe finds serious or critical. */
async function findingsOf(page: Page, exclude: readonly string[], rules: readonly string[] | null): Promise<string[]> {
  await page.evaluate(axe);
  // What axe would load beforehand, only rules that are off ask for.
  const options = { resultTypes: ['violations'], preload: false, ...(rules && { runOnly: rules }) };
  const { violations } = await page.evaluate<{
    violations: { id: string; impact: string; nodes: { html: string }[] }[];
  }>(`axe.run(${JSON.stringify({ exclude })}, ${JSON.stringify(options)})`);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

describe('the site of the docs', () => {
  it('opens each page, wide and light, narrow and dark, without an error, a request elsewhere, overflow or a serious finding of axe', () => {
    const faulty = [...seen].flatMap(([path, { faults }]) => faults.map((fault) => `${path}: ${fault}`));
    expect(faulty).toEqual([]);
    expect(seen.size).toBeGreaterThan(45);
  });

  it('has no link to a page or an anchor that is not there', async () => {
    const files = new Set(await readdir(site, { recursive: true }));
    const dead = [...seen].flatMap(([path, { links }]) =>
      links
        .filter((link) => link.startsWith(origin))
        .filter((link) => {
          const { pathname, hash } = new URL(link);
          const place = pathname.slice(1);
          const file = place === '' || place.endsWith('/') ? `${place}index.html` : place;
          const target = seen.get(file);
          return (
            !files.has(file) || (target && hash !== '' && !target.anchors.includes(decodeURIComponent(hash.slice(1))))
          );
        })
        .map((link) => `${path}: ${link.slice(origin.length)}`),
    );
    expect(dead).toEqual([]);
  });

  it('finds a page by its search', async () => {
    const page = await browser.newPage();
    await page.goto(origin);
    await page.locator('.VPNavBarSearch button').first().click();
    await page.locator('#localsearch-input').fill('circuit breaker stays open');
    const found = page.locator('#localsearch-list a');
    await found.first().waitFor();
    expect(await found.count()).toBeGreaterThan(3);
    await page.close();
  });
});
