import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from '@jest/globals';
import { seededRandom } from '../common/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { createLoadBalancer, type LoadBalancing } from './load-balancing.js';

const UPDATES = 60;
/** The current list, and those in plans that were not used since. */
const AT_MOST = 6;

async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // A dereferenced WeakRef keeps its target alive until the end of the job.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
}

it.each<[string, LoadBalancing]>([
  ['round_robin', 'round_robin'],
  ['weighted_round_robin', 'weighted_round_robin'],
  ['consistent_hash', 'consistent_hash'],
  ['maglev', 'maglev'],
  ['consistent_hash in zones', { strategy: 'consistent_hash', zone: { prefer: 'a' } }],
  ['maglev with slow start', { strategy: 'maglev', slowStart: {} }],
])('%s releases the lists that updates replace', async (_name, balancing) => {
  const balancer = createLoadBalancer(balancing, { random: seededRandom(1) });
  const lists: WeakRef<object>[] = [];
  const update = (round: number): void => {
    const list = Array.from({ length: 20 }, (_, index) =>
      fakeInstance({
        // One instance comes and goes and one becomes unhealthy and recovers, so that each update makes new plans.
        instanceId: `10.0.0.${index === 0 ? `${round % 3}:81` : `${index}:80`}`,
        zone: index % 2 === 0 ? 'a' : 'b',
        status: round % 20 === index ? 'unhealthy' : 'healthy',
      }),
    );
    lists.push(new WeakRef(list));
    balancer.update(list);
    for (const avoid of [undefined, new Set([`10.0.0.${1 + (round % 7)}:80`])]) {
      for (const key of [undefined, 'one', 'two']) balancer.pick({ key, avoid });
      balancer.pick({ key: 'three', avoid, zone: 'b' });
    }
  };
  for (let round = 0; round < UPDATES; round++) update(round);
  await collectGarbage();
  expect(lists.filter((list) => list.deref() !== undefined).length).toBeLessThanOrEqual(AT_MOST);
});
