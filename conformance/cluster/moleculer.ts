import { type Context, type Middleware } from 'moleculer';
import { MockedTime } from '../support/mocked-time.js';
import { KnowingBroker } from '../support/moleculer-broker.js';
import { Sendings, type ClusterPart, type ClusterParts, type ClusterSettings } from './cluster-part.js';

interface Params {
  readonly name: string;
  readonly key?: string;
}

/** Calls use the broker's own retry and circuit breaker; the innermost middleware simulates the network. */
async function moleculerCluster({ ids, attempts, keyed, ejects }: ClusterSettings): Promise<ClusterPart> {
  const time = new MockedTime();
  const failing = new Set<string>();
  const sendings = new Sendings();
  const network: Middleware = {
    remoteAction: () => async (context: Context<Params>) => {
      const id = context.nodeID ?? '';
      sendings.note(context.params.name, id);
      if (failing.has(id)) throw new Error('socket hang up');
      return id;
    },
  };
  const any = (): boolean => true;
  const { broker, announce } = brokerOf({
    registry: keyed ? { strategy: 'Shard', strategyOptions: { shardKey: 'key' } } : { strategy: 'RoundRobin' },
    retryPolicy: { enabled: attempts > 1, retries: attempts - 1, delay: 1, factor: 1, maxDelay: 1, check: any },
    circuitBreaker: {
      enabled: ejects,
      threshold: 0.5,
      minRequestCount: 5,
      windowTime: 60,
      halfOpenTime: 30_000,
      check: any,
    },
    middlewares: [network],
  });
  announce('users', ids);
  return {
    break: async (id) => void failing.add(id),
    mend: async (id) => void failing.delete(id),
    // It throws synchronously if its strategy fails.
    call: async (name, key) => broker.call<string, Params>('users.get', { name, key }),
    sentTo: (name) => sendings.of(name),
    advance: (ms) => time.advance(ms),
    close: async () => time.release(),
  };
}

function brokerOf(options: ConstructorParameters<typeof KnowingBroker>[0]): {
  broker: KnowingBroker['broker'];
  announce: KnowingBroker['announce'];
} {
  const knowing = new KnowingBroker(options);
  return { broker: knowing.broker, announce: knowing.announce.bind(knowing) };
}

export const moleculerClusters: ClusterParts = {
  retrying: moleculerCluster,
  hashing: moleculerCluster,
  ejecting: moleculerCluster,
};
