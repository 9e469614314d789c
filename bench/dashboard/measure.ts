import { type Browser, type CDPSession, type Page } from 'playwright-core';
import { grouped, percentile, tableOf } from '../support/table.js';
import { LARGE } from './fleet.js';

/** Views by name; with what stands there once its data has come. */
export const VIEWS: Readonly<Record<string, { readonly hash: string; readonly shown: string }>> = {
  Overview: { hash: '#/', shown: '.tile' },
  Services: { hash: '#/services', shown: '.services .virtual > .row' },
  'a service of hundreds of instances': { hash: `#/services/${LARGE}`, shown: '.instances .virtual > .row' },
  'an instance': { hash: `#/services/${LARGE}/instances/instance-1`, shown: '.reasons' },
  Topology: { hash: '#/topology', shown: '.graph svg' },
  Calls: { hash: '#/calls', shown: '.empty, .plots' },
  Journal: { hash: '#/journal', shown: '.journal .virtual > .row' },
};

/** What runs in the page: collects the milliseconds of each task above 50. */
const OBSERVE_TASKS = `
  globalThis.longTasks = [];
  new PerformanceObserver((list) => longTasks.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: 'longtask', buffered: true });`;
const TAKE_TASKS = 'longTasks.splice(0)';

/** What runs in the page: scrolls to the end within 2 s, a step a frame. Gives the milliseconds between frames. */
const SCROLL = `(async () => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const root = document.documentElement;
  const step = Math.max(50, (root.scrollHeight - innerHeight) / 100);
  const times = [0];
  let last = await frame();
  const end = last + 2_000;
  while (last < end && scrollY + innerHeight < root.scrollHeight - 1) {
    scrollBy(0, step);
    const time = await frame();
    times.push(time - last);
    last = time;
  }
  scrollTo(0, 0);
  return times;
})()`;

/** Of Chromium's metrics, in seconds. */
const FRAME_WORK = ['ScriptDuration', 'RecalcStyleDuration', 'LayoutDuration'] as const;

export interface ViewFigures {
  /** Milliseconds until its data stands there. */
  readonly shownMs: number;
  /** Processor time of the main thread for following the changes, in milliseconds a second. */
  readonly mainThreadMs: number;
  /** Milliseconds of the longest task among those above 50; 0: there was none. */
  readonly longestTaskMs: number;
  readonly nodes: number;
  /** Milliseconds between frames while it is scrolled from its top to its end. */
  readonly frameP95Ms: number;
  readonly frameMaxMs: number;
  /** Processor time of the main thread for one of these frames: scripts, styles, layout. How fast a machine paints is left out. */
  readonly frameWorkMs: number;
}

/** The page of a registry, under Chromium's debugger. */
export class MeasuredPage {
  private constructor(
    readonly page: Page,
    private readonly debug: CDPSession,
    private readonly origin: string,
  ) {}

  static async open(browser: Browser, origin: string): Promise<MeasuredPage> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const debug = await page.context().newCDPSession(page);
    // Time that other processes take is not the page's.
    await debug.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.addInitScript(OBSERVE_TASKS);
    return new MeasuredPage(page, debug, origin);
  }

  /** Opens the page afresh. @returns milliseconds until the first paint, and until its data stands there */
  async firstPaint(): Promise<{ readonly paintMs: number; readonly dataMs: number }> {
    const start = performance.now();
    await this.page.goto(`${this.origin}/service-discovery/ui`);
    await this.page.locator('.tile').first().waitFor();
    const dataMs = performance.now() - start;
    const paintMs = await this.page.evaluate<number>(
      "performance.getEntriesByName('first-contentful-paint')[0].startTime",
    );
    return { paintMs, dataMs };
  }

  /** Opens a view. @returns milliseconds until its data stands there */
  async show(name: keyof typeof VIEWS): Promise<number> {
    const { hash, shown } = VIEWS[name]!;
    const start = performance.now();
    await this.page.evaluate(`void (location.hash = ${JSON.stringify(hash)})`);
    await this.page.locator(shown).first().waitFor();
    return performance.now() - start;
  }

  /** Opens a view, follows it and scrolls it to its end. */
  async measure(name: keyof typeof VIEWS, seconds: number): Promise<ViewFigures> {
    const shownMs = await this.show(name);
    // Opening it is not an update.
    await this.page.waitForTimeout(1_000);
    await this.page.evaluate(TAKE_TASKS);
    const before = await this.metrics();
    await this.page.waitForTimeout(seconds * 1_000);
    const after = await this.metrics();
    const longestTaskMs = Math.max(0, ...(await this.page.evaluate<number[]>(TAKE_TASKS)));
    const frames = await this.page.evaluate<number[]>(SCROLL);
    const scrolled = await this.metrics();
    const workOf = (metrics: Record<string, number>): number =>
      FRAME_WORK.reduce((sum, name) => sum + metrics[name]!, 0);
    return {
      shownMs,
      mainThreadMs: ((after.TaskDuration! - before.TaskDuration!) * 1_000) / seconds,
      longestTaskMs,
      nodes: await this.page.locator('*').count(),
      frameP95Ms: percentile(frames, 0.95),
      frameMaxMs: Math.max(...frames),
      frameWorkMs: ((workOf(scrolled) - workOf(after)) * 1_000) / frames.length,
    };
  }

  /** Bytes that the page's objects hold, after a collection. */
  async heap(): Promise<number> {
    await this.debug.send('HeapProfiler.collectGarbage');
    return (await this.metrics()).JSHeapUsedSize!;
  }

  private async metrics(): Promise<Record<string, number>> {
    const { metrics } = await this.debug.send('Performance.getMetrics');
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  }
}

/** Measures each view, and gives the figures as a table. */
export async function tourOf(page: MeasuredPage, seconds: number): Promise<string> {
  const rows: string[][] = [];
  for (const name of Object.keys(VIEWS)) {
    const view = await page.measure(name, seconds);
    rows.push([
      name,
      view.shownMs.toFixed(0),
      view.mainThreadMs.toFixed(0),
      view.longestTaskMs === 0 ? '< 50' : view.longestTaskMs.toFixed(0),
      `${view.frameP95Ms.toFixed(0)} / ${view.frameMaxMs.toFixed(0)}`,
      view.frameWorkMs.toFixed(1),
      grouped(view.nodes),
    ]);
  }
  return tableOf(
    [
      'view',
      'shown, ms',
      'main thread, ms a second',
      'longest task, ms',
      'scrolled: frame p95 / max, ms',
      'work a frame, ms',
      'nodes',
    ],
    rows,
  );
}
