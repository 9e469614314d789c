import { setImmediate as nextTurn } from 'node:timers/promises';
import { BalancedPool, Pool, type Dispatcher } from 'undici';
import { type BalancerPart, type BalancingParts, type LoadAwarePart } from './balancer-part.js';

const FAILED_CONNECTIONS = 7;
const noHandler: Dispatcher.DispatchHandler = {};
const originOf = (id: string): string => `http://${id}`;

/** A balanced pool over pools that record picks and send nothing. */
class NotingBalancedPool implements BalancerPart {
  private chosen = '';
  private present: readonly string[] = [];
  private readonly balanced: BalancedPool;

  constructor() {
    const factory = (origin: string | URL, options: Pool.Options): Dispatcher => {
      const pool = new Pool(origin, options);
      pool.dispatch = () => {
        this.chosen = new URL(origin).hostname;
        return true;
      };
      return pool;
    };
    this.balanced = new BalancedPool([], { factory });
  }

  async update(ids: readonly string[]): Promise<void> {
    for (const id of this.present) if (!ids.includes(id)) this.balanced.removeUpstream(originOf(id));
    for (const id of ids) if (!this.present.includes(id)) this.balanced.addUpstream(originOf(id));
    this.present = ids;
    // A removed pool is gone only after it has closed.
    await nextTurn();
  }

  async pick(): Promise<string> {
    this.balanced.dispatch({ method: 'GET', path: '/' }, noHandler);
    return this.chosen;
  }

  /** It considers failed connections. */
  async burden(id: string): Promise<void> {
    const pool = this.balanced.getUpstream(originOf(id));
    const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    for (let n = 0; n < FAILED_CONNECTIONS; n++) pool?.emit('connectionError', new URL(originOf(id)), [pool], error);
  }

  async close(): Promise<void> {
    await this.balanced.destroy();
  }
}

export const undiciBalancing: BalancingParts = {
  roundRobin: () => {
    const pools = new Map<string, NotingBalancedPool>();
    return {
      of(service) {
        const pool = pools.get(service) ?? new NotingBalancedPool();
        pools.set(service, pool);
        return pool;
      },
      close: async () => void (await Promise.all([...pools.values()].map((pool) => pool.close()))),
    };
  },
  loadAware: (): LoadAwarePart => new NotingBalancedPool(),
};
