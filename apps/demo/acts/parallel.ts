import { getJson, postJson } from '../support/http.js';
import { type Stage } from '../support/stage.js';

const DELAY_MS = 250;
const DAWDLERS = ['user-1', 'user-2', 'user-3', 'order-1', 'order-2', 'recommendation-1'];

interface Overview {
  user: unknown;
  orders: unknown;
  recommendations: unknown;
  missing: string[];
}

/** Three services asked at once take as long as the slowest, not as long as all. */
export async function parallel(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const dawdle = (delayMs: number): Promise<unknown> =>
    Promise.all(DAWDLERS.map((name) => postJson(`${stage.process(name).url}/chaos`, { delayMs })));

  await dawdle(DELAY_MS);
  const began = performance.now();
  const overview = await getJson<Overview>(stage.shop('/users/1/overview'));
  const took = performance.now() - began;
  await dawdle(0);

  print.say(`users, orders and recommendations each take ${DELAY_MS} ms now`);
  print.exchange("curl '<gateway>/shop/users/1/overview'", overview);
  claims.check(
    'three calls in parallel take less time than two in a row',
    overview.missing.length === 0 && took < 2 * DELAY_MS,
    `${took.toFixed(0)} ms`,
  );
}
