import { createLoadBalancer, OutlierDetector, seededRandom } from 'nest-service-discovery/core';
import { fakeInstance, ManualClock } from 'nest-service-discovery/testing';
import { Sendings, type ClusterPart, type ClusterSettings } from './cluster-part.js';

/** The outlier detector beside a balancer, with nothing that checks health. */
export async function ourEjectingCluster({ ids }: ClusterSettings): Promise<ClusterPart> {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const failing = new Set<string>();
  const sendings = new Sendings();
  const balancer = createLoadBalancer('round_robin', { clock, random });
  balancer.update(ids.map((instanceId) => fakeInstance({ instanceId })));
  const detector = new OutlierDetector({}, { clock, random });
  detector.retain(ids);
  return {
    break: async (id) => void failing.add(id),
    mend: async (id) => void failing.delete(id),
    async call(name) {
      const picked = balancer.pick({ avoid: detector.ejected });
      if (picked.kind !== 'picked') throw new Error(`nothing can be picked: ${picked.reason}`);
      const id = picked.instance.instanceId;
      sendings.note(name, id);
      const failed = failing.has(id);
      detector.record(id, failed ? 'failure' : 'success', 1);
      picked.done({ kind: 'response', status: failed ? 500 : 200, latencyMs: 1 });
      if (failed) throw new Error('status 500');
      return id;
    },
    sentTo: (name) => sendings.of(name),
    advance: (ms) => clock.advanceAsync(ms),
    close: async () => undefined,
  };
}
