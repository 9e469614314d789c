import { DiscoveryMetrics, EventBus, ServiceCommunicator } from 'nest-service-discovery/core';
import { INSTANCE_COUNTS, type MicroCase, type MicroSubject } from '../micro-case.js';
import { register, type Registered } from '../registered.js';
import { stubTransport } from '../stub-transport.js';

/** A whole call over a transport that answers at once: with breaker, retry, budget, deadline and metrics. */
export async function call(): Promise<MicroSubject> {
  const cases: MicroCase[] = [];
  const opened: Registered[] = [];
  for (const instances of INSTANCE_COUNTS) {
    const registered = await register(instances);
    opened.push(registered);
    const { registry } = registered;
    const events = new EventBus();
    new DiscoveryMetrics(events, registry);
    const communicator = new ServiceCommunicator({ registry, transport: stubTransport, events });
    for (const loadBalancing of ['round_robin', 'p2c_ewma', 'maglev'] as const) {
      const calling = communicator.withOptions({ loadBalancing });
      cases.push({
        what: `callServiceJson by ${loadBalancing}`,
        instances,
        async run(steps) {
          for (let step = 0; step < steps; step++) {
            await calling.callServiceJson('service-0', { path: '/users/1', key: 'user-1' });
          }
        },
      });
    }
  }
  return {
    cases,
    close: async () => {
      for (const registered of opened) await registered.close();
    },
  };
}
