import { expectThat, part, type Scenario } from '../support/scenario.js';
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

/** Ends calls that may wait for a delay. */
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

export const clusterScenarios: readonly Scenario[] = [retriesElsewhere];
