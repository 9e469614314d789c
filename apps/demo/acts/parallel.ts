import { getJson, postJson } from '../support/http.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

/** The instances of each service that an overview asks. */
const ASKED = [['user-1', 'user-2', 'user-3'], ['order-1', 'order-2'], ['recommendation-1']] as const;

interface Overview {
  user: unknown;
  orders: unknown;
  recommendations: unknown;
  missing: string[];
}

/** Three concurrent calls take as long as the slowest, not as long as all of them. */
export async function parallel(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const chaosOf = (name: string): string => `${stage.process(name).url}/chaos`;
  const hold = (holding: boolean): Promise<unknown> =>
    Promise.all(ASKED.flat().map((name) => postJson(chaosOf(name), { holding })));
  const heldBy = async (names: readonly string[]): Promise<number> => {
    const states = await Promise.all(names.map((name) => getJson<{ held: number }>(chaosOf(name))));
    return states.reduce((sum, { held }) => sum + held, 0);
  };

  await hold(true);
  print.say('users, orders and recommendations answer no call until they are told to');
  const release = async (): Promise<number[]> => {
    const held = await waitFor('each service to hold a call', async () => {
      const counts = await Promise.all(ASKED.map(heldBy));
      return counts.every((count) => count > 0) ? counts : undefined;
    });
    await hold(false);
    return held;
  };
  const [overview, held] = await Promise.all([getJson<Overview>(stage.shop('/users/1/overview')), release()]);

  print.exchange("curl '<gateway>/shop/users/1/overview'", overview);
  claims.check(
    'three calls in parallel are under way at the same time',
    overview.missing.length === 0,
    `calls that waited at once: ${held.join(', ')}`,
  );
}
