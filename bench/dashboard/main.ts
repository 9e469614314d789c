/** Measures the dashboard's page in a real Chromium, on a large registry that changes all the time. See ../README.md. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answerOf, stop } from '../support/child-process.js';
import { startChromium } from '../support/chromium.js';
import { countOf, runCommand } from '../support/command-line.js';
import { grouped } from '../support/table.js';
import { FLEET } from './fleet.js';
import { MeasuredPage, tourOf, VIEWS } from './measure.js';

interface Request {
  /** How long each view is followed. */
  readonly seconds: number;
  /** How long the heap is watched afterwards. */
  readonly minutes: number;
}

function read(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: { seconds: { type: 'string', default: '10' }, minutes: { type: 'string', default: '10' } },
  });
  return { seconds: countOf('seconds', values.seconds), minutes: countOf('minutes', values.minutes) };
}

async function run({ seconds, minutes }: Request): Promise<void> {
  const { services, instances, large, changesPerSecond } = FLEET;
  console.log(
    `${grouped(instances)} instances of ${grouped(services)} services, ${large} of one more, ${changesPerSecond} changes a second\n`,
  );
  const child = fork(fileURLToPath(new URL('./fleet-app.js', import.meta.url)), [JSON.stringify(FLEET)]);
  const browser = await startChromium();
  try {
    const port = await answerOf<number>(child, 'the registry');
    const page = await MeasuredPage.open(browser, `http://127.0.0.1:${port}`);
    const { paintMs, dataMs } = await page.firstPaint();
    console.log(`first paint after ${paintMs.toFixed(0)} ms, data after ${dataMs.toFixed(0)} ms\n`);
    console.log(await tourOf(page, seconds));
    await watchHeap(page, minutes);
  } finally {
    await browser.close();
    await stop(child);
  }
}

/** Goes through all views each minute, as a user who looks around would. */
async function watchHeap(page: MeasuredPage, minutes: number): Promise<void> {
  console.log('');
  const views = Object.keys(VIEWS);
  for (let minute = 0; minute <= minutes; minute++) {
    console.log(`heap after ${minute} min: ${((await page.heap()) / 1e6).toFixed(1)} MB`);
    for (const name of minute === minutes ? [] : views) await page.measure(name, 60 / views.length - 3);
  }
}

await runCommand('bench:dashboard', read, run);
