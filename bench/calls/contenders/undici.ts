import { Pool } from 'undici';
import { type Contender, inTurn, originsOf } from './contender.js';

/** The baseline: plain undici without anything around it. */
export const undici: Contender = {
  async setup(target) {
    const pools = originsOf(target).map((origin) => new Pool(origin));
    const next = inTurn(pools);
    return {
      async call({ method, path, json }) {
        const { body } = await next().request(
          json
            ? { method, path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) }
            : { method, path },
        );
        return body.json();
      },
      close: () => Promise.all(pools.map((pool) => pool.close())),
    };
  },
};
