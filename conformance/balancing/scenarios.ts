import { type Peer } from '../support/peer.js';
import { answerOf, expectThat, part, type Scenario } from '../support/scenario.js';
import { type BalancerPart, type BalancersPart } from './balancer-part.js';

const KEYS = Array.from({ length: 10_000 }, (_, index) => `user-${index}`);

function namesOf(count: number, prefix = 'i'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

async function pickMany(balancer: BalancerPart, times: number): Promise<string[]> {
  const picked: string[] = [];
  for (let call = 0; call < times; call++) picked.push(await answerOf(balancer.pick()));
  return picked;
}

function count(picked: readonly string[], id: string): number {
  return picked.filter((other) => other === id).length;
}

/** Runs a scenario on new balancers. */
function onBalancers(
  name: string,
  fault: string,
  of: (peer: Peer) => (() => BalancersPart) | undefined,
  run: (balancers: BalancersPart) => Promise<void>,
): Scenario {
  return {
    name,
    fault,
    async run(peer) {
      const balancers = part(of(peer))();
      try {
        await run(balancers);
      } finally {
        await balancers.close();
      }
    },
  };
}

/** One of `size` instances is present for `period` calls, and absent for as many. */
async function flap(balancer: BalancerPart, size: number, flapping: number, period: number): Promise<void> {
  const all = namesOf(size, `s${size}f${flapping}p${period}n`);
  const without = all.filter((_, index) => index !== flapping);
  const due = new Map(all.map((id) => [id, 0]));
  const got = new Map(due);
  const add = (to: Map<string, number>, id: string, by: number): void => void to.set(id, to.get(id)! + by);
  for (let round = 0; round < 100; round++) {
    const present = round % 2 === 0 ? all : without;
    await balancer.update(present);
    for (let call = 0; call < period; call++) {
      for (const id of present) add(due, id, 1 / present.length);
      add(got, await answerOf(balancer.pick()), 1);
    }
  }
  for (const [id, share] of due) {
    const calls = got.get(id)!;
    const otherwise = `of ${size} instances of which one comes and goes every ${period} calls, one gets ${calls} calls where ${Math.round(share)} are due`;
    expectThat(calls >= share / 2, otherwise);
  }
}

export const balancingScenarios: readonly Scenario[] = [
  onBalancers(
    'round robin over a list that flaps starves no instance',
    'while one instance comes and goes, another gets hardly any calls',
    ({ balancing }) => balancing?.roundRobin,
    async (balancers) => {
      for (let size = 2; size <= 5; size++) {
        for (let flapping = 0; flapping < size; flapping++) {
          for (const period of [1, 2, 3]) {
            await flap(balancers.of(`flap-${size}-${flapping}-${period}`), size, flapping, period);
          }
        }
      }
    },
  ),
  onBalancers(
    "one service's turn does not move another's",
    'services that are called in turn share a counter, and each sees half of its instances',
    ({ balancing }) => balancing?.roundRobin,
    async (balancers) => {
      const [users, orders] = [balancers.of('users'), balancers.of('orders')];
      await users.update(namesOf(4, 'user'));
      await orders.update(namesOf(4, 'order'));
      const picked: string[] = [];
      for (let call = 0; call < 40; call++) {
        picked.push(await answerOf(users.pick()));
        await orders.pick();
      }
      for (const id of namesOf(4, 'user')) {
        const calls = count(picked, id);
        expectThat(
          calls === 10,
          `of 40 calls to 4 instances, one gets ${calls} where another service is called in between`,
        );
      }
    },
  ),
  onBalancers(
    'idle least connections does not always pick the first',
    'where nothing is under way all calls go to one instance',
    ({ balancing }) => balancing?.leastConnections,
    async (balancers) => {
      const balancer = balancers.of('users');
      await balancer.update(namesOf(4));
      const picked = await pickMany(balancer, 400);
      for (const id of namesOf(4)) {
        expectThat(count(picked, id) >= 50, `of 400 calls one after the other, one of 4 gets ${count(picked, id)}`);
      }
    },
  ),
  onBalancers(
    'weighted round robin 5,5,5,5,5,1 makes no bursts',
    'the calls of a heavy instance come one after the other',
    ({ balancing }) => {
      const make = balancing?.weightedRoundRobin;
      return make && (() => make({ i0: 5, i1: 5, i2: 5, i3: 5, i4: 5, i5: 1 }));
    },
    async (balancers) => {
      const balancer = balancers.of('users');
      await balancer.update(namesOf(6));
      const picked = await pickMany(balancer, 52);
      for (const [index, id] of namesOf(6).entries()) {
        const due = index < 5 ? 10 : 2;
        expectThat(count(picked, id) === due, `in two turns of 26 one gets ${count(picked, id)} where ${due} are due`);
      }
      const twice = picked.findIndex((id, index) => id === picked[index + 1]);
      expectThat(twice === -1, 'one gets two calls in a row');
    },
  ),
  onBalancers(
    'a consistent hash moves 1/(n+1) of the keys',
    'when an instance arrives, most keys change their owner, and every cache is cold',
    ({ balancing }) => balancing?.consistentHash,
    async (balancers) => {
      const balancer = balancers.of('users');
      const owners = async (): Promise<string[]> => Promise.all(KEYS.map((key) => answerOf(balancer.pick(key))));
      await balancer.update(namesOf(10));
      const before = await owners();
      await balancer.update(namesOf(11));
      const after = await owners();
      const moved = after.filter((id, index) => id !== before[index]);
      const share = moved.length / KEYS.length;
      expectThat(
        share <= 1.1 / 11,
        `${Math.round(share * 100)}% of the keys move where ${Math.round(100 / 11)}% are due`,
      );
      expectThat(share > 0.5 / 11, `only ${Math.round(share * 100)}% of the keys go to the new instance`);
      expectThat(count(moved, 'i10') === moved.length, 'keys move between instances that were there before');
    },
  ),
  {
    name: 'statistics survive an unrelated change of the list',
    fault: 'when any instance comes or goes, what is known of all others is lost, and a slow one is flooded',
    async run({ balancing }) {
      const balancer = part(balancing?.loadAware)();
      try {
        const ids = namesOf(3);
        await balancer.update(ids);
        await pickMany(balancer, 60);
        await balancer.burden('i1');
        const before = count(await pickMany(balancer, 300), 'i1');
        expectThat(before <= 50, `of 300 calls to 3 instances, the one that does badly gets ${before}`);
        await balancer.update([...ids, 'i3']);
        for (let same = 0; same < 10; same++) await balancer.update([...ids, 'i3']);
        const during = count(await pickMany(balancer, 400), 'i1');
        await balancer.update(ids);
        const after = count(await pickMany(balancer, 300), 'i1');
        const otherwise = `the one that does badly gets ${before} of 300 calls, then ${during} of 400 when another arrives, and ${after} of 300 when that leaves`;
        expectThat(during <= 50 && after <= 50, otherwise);
      } finally {
        await balancer.close();
      }
    },
  },
];
