import { answerOf, expectThat, part, type Scenario } from '../support/scenario.js';
import { type Peer } from '../support/peer.js';
import { type ClusterPart, type ClusterSettings, type MakeCluster } from './cluster-part.js';

function onCluster(
  name: string,
  fault: string,
  of: (peer: Peer) => MakeCluster | undefined,
  settings: ClusterSettings,
  run: (cluster: ClusterPart) => Promise<void>,
): Scenario {
  return {
    name,
    fault,
    async run(peer) {
      const cluster = await part(of(peer))(settings);
      try {
        await run(cluster);
      } finally {
        await cluster.close();
      }
    },
  };
}

/** Waits for calls that may be delayed. */
async function settle(cluster: ClusterPart, calls: readonly Promise<unknown>[]): Promise<void> {
  const settled = Promise.allSettled(calls);
  await cluster.advance(10);
  await settled;
}

const retriesElsewhere = onCluster(
  'a retry does not land on the failed instance',
  'the second attempt goes where the first one failed, while others are well',
  ({ cluster }) => cluster?.retrying,
  { ids: ['a', 'b', 'c'], attempts: 2, keyed: false, ejects: false },
  async (cluster) => {
    await cluster.break('b');
    let retried = 0;
    for (let round = 0; round < 60; round++) {
      const names = Array.from({ length: 1 + (round % 6) }, (_, index) => `${round}-${index}`);
      await settle(
        cluster,
        names.map((name) => cluster.call(name)),
      );
      for (const name of names) {
        const sent = cluster.sentTo(name);
        if (sent.length > 1) retried++;
        expectThat(
          sent.length < 2 || sent[0] !== sent[1],
          `a call that failed on one of 3 is sent to the same one again`,
        );
      }
    }
    expectThat(retried > 10, 'hardly anything is retried');
  },
);

const hashWalksOn = onCluster(
  'the breaker-open owner of a hash key gives way to the next',
  'the keys of an instance that is cut off fail, though others could answer them',
  ({ cluster }) => cluster?.hashing,
  { ids: ['a', 'b', 'c', 'd'], attempts: 1, keyed: true, ejects: true },
  async (cluster) => {
    const keys = Array.from({ length: 40 }, (_, index) => `key-${index}`);
    const ownersOf = async (turn: string): Promise<string[]> => {
      const owners: string[] = [];
      for (const key of keys) owners.push(await answerOf(cluster.call(`${turn}-${key}`, key)));
      return owners;
    };
    const before = await ownersOf('before');
    const [key, owner] = [keys[0]!, before[0]!];
    await cluster.break(owner);
    for (let call = 0; call < 20; call++) await cluster.call(`failing-${call}`, key).catch(() => undefined);
    const after = await ownersOf('after');
    for (const [index, id] of after.entries()) {
      const kept = before[index] === owner ? id !== owner : id === before[index];
      expectThat(kept, `with one of 4 cut off, a key of ${before[index]!} goes to ${id}`);
    }
    expectThat(
      (await ownersOf('again')).join() === after.join(),
      'a key of the one that is cut off goes here and there',
    );
  },
);

const WATCHED = 30;
const AFTERWARDS = 400;

const recovers = onCluster(
  'passive ejection recovers by itself',
  'an instance that failed for a moment is left out for ever, though it is well again',
  ({ cluster }) => cluster?.ejecting,
  { ids: ['a', 'b', 'c', 'd'], attempts: 1, keyed: false, ejects: true },
  async (cluster) => {
    let calls = 0;
    /** How many of the next calls go to an instance; every call must go to some instance. */
    const callsTo = async (id: string, watched = WATCHED): Promise<number> => {
      let count = 0;
      for (let call = 0; call < watched; call++) {
        const name = `call-${calls++}`;
        await settle(cluster, [cluster.call(name)]);
        const sentTo = cluster.sentTo(name);
        expectThat(sentTo.length > 0, 'a call is sent nowhere, while others are well');
        if (sentTo.includes(id)) count++;
      }
      return count;
    };
    await cluster.break('b');
    let ejected = false;
    for (let watch = 0; watch < 20 && !ejected; watch++) {
      await cluster.advance(1_000);
      ejected = (await callsTo('b')) === 0;
    }
    expectThat(ejected, `one of 4 that fails all its calls is sent some of any ${WATCHED}`);
    await cluster.mend('b');
    for (let minute = 0; minute < 20; minute++) {
      await cluster.advance(60_000);
      await callsTo('b');
    }
    const count = await callsTo('b', AFTERWARDS);
    expectThat(
      count >= AFTERWARDS / 8,
      `20 minutes after it is well again, one of 4 gets ${count} of ${AFTERWARDS} calls`,
    );
  },
);

export const clusterScenarios: readonly Scenario[] = [retriesElsewhere, hashWalksOn, recovers];
