import { type Dispatcher, Pool } from 'undici';
import { type Contender, inTurn, originsOf } from './contender.js';

/** Undici's lowest-level interface, with a handler that collects the response: the minimum cost of a request. */
export const undiciDispatch: Contender = {
  async setup(target) {
    const pools = originsOf(target).map((origin) => new Pool(origin));
    const next = inTurn(pools);
    return {
      call({ method, path, json }) {
        return new Promise((resolve, reject) => {
          const options = json
            ? { method, path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) }
            : { method, path };
          next().dispatch(options, new Collecting(resolve, reject));
        });
      },
      close: () => Promise.all(pools.map((pool) => pool.close())),
    };
  },
};

class Collecting implements Dispatcher.DispatchHandler {
  private readonly chunks: Buffer[] = [];

  constructor(
    private readonly resolve: (answer: unknown) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  onRequestStart(): void {
    // Its presence marks a handler of undici's new kind.
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    const [first] = this.chunks;
    const body = first && this.chunks.length === 1 ? first : Buffer.concat(this.chunks);
    this.resolve(JSON.parse(body.toString()) as unknown);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.reject(error);
  }
}
