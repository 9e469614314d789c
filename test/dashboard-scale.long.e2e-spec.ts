import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Browser } from 'playwright-core';
import { FLEET } from '../bench/dashboard/fleet.js';
import { MeasuredPage, tourOf, VIEWS } from '../bench/dashboard/measure.js';
import { answerOf, stop } from '../bench/support/child-process.js';
import { startChromium } from '../bench/support/chromium.js';
import { addSources, BUILD_TIMEOUT_MS, buildPackage, type BuiltPackage } from './support/built-package.js';

const MOST_ROWS = 150;
const MOST_GROWTH = 1.25;

let built: BuiltPackage;
let browser: Browser;
let registry: ChildProcess;
let page: MeasuredPage;

beforeAll(async () => {
  built = await buildPackage({ name: 'dashboard-scale', type: 'module' });
  await addSources(built, 'bench');
  browser = await startChromium();
  registry = fork(join(built.consumer, 'dashboard/fleet-app.js'), [JSON.stringify(FLEET)]);
  page = await MeasuredPage.open(browser, `http://127.0.0.1:${await answerOf<number>(registry, 'the registry')}`);
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  await browser.close();
  await stop(registry);
  await built.remove();
});

/** The figures are reported but not asserted, since the machine may be busy. */
it('follows 10,000 instances with the rows in sight alone, and a heap that stays flat', async () => {
  const { paintMs, dataMs } = await page.firstPaint();
  const tour = await tourOf(page, 1);
  process.stdout.write(`First paint after ${paintMs.toFixed(0)} ms, data after ${dataMs.toFixed(0)} ms\n${tour}\n`);
  const heap = await page.heap();
  for (const name of Object.keys(VIEWS)) {
    await page.show(name);
    expect(await page.page.locator('.virtual > .row').count()).toBeLessThan(MOST_ROWS);
  }
  expect(await page.heap()).toBeLessThan(heap * MOST_GROWTH);
}, 180_000);
