import { getJson, postJson } from '../support/http.js';
import { type Stage } from '../support/stage.js';

const LEAST_DELAY_MS = 250;
const DAWDLERS = ['user-1', 'user-2', 'user-3', 'order-1', 'order-2', 'recommendation-1'];

interface Overview {
  user: unknown;
  orders: unknown;
  recommendations: unknown;
  missing: string[];
}

/** Three concurrent calls take as long as the slowest, not as long as all of them. */
export async function parallel(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const dawdle = (delayMs: number): Promise<unknown> =>
    Promise.all(DAWDLERS.map((name) => postJson(`${stage.process(name).url}/chaos`, { delayMs })));

  const ask = async (): Promise<{ overview: Overview; took: number }> => {
    const began = performance.now();
    const overview = await getJson<Overview>(stage.shop('/users/1/overview'));
    return { overview, took: performance.now() - began };
  };

  const { took: usual } = await ask();
  // Long enough that overhead cannot be mistaken for sequential calls.
  const delayMs = Math.max(LEAST_DELAY_MS, Math.ceil(usual * 4));
  await dawdle(delayMs);
  const { overview, took } = await ask();
  await dawdle(0);

  print.say(
    `the overview takes ${usual.toFixed(0)} ms; users, orders and recommendations each take ${delayMs} ms longer now`,
  );
  print.exchange("curl '<gateway>/shop/users/1/overview'", overview);
  claims.check(
    'three calls in parallel take less time than two in a row',
    overview.missing.length === 0 && took < 2 * delayMs,
    `${took.toFixed(0)} ms`,
  );
}
