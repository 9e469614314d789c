import { type Contender, inTurn, originsOf } from './contender.js';

/** Plain `fetch` of Node. */
export const nodeFetch: Contender = {
  async setup(target) {
    const next = inTurn(originsOf(target));
    return {
      async call({ method, path, json }) {
        const response = await fetch(
          next() + path,
          json ? { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) } : { method },
        );
        return response.json();
      },
      close: async () => undefined,
    };
  },
};
