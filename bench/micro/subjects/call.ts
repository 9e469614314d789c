import { DiscoveryMetrics, EventBus, ServiceCommunicator } from 'nest-service-discovery/core';
import { grouped } from '../../support/table.js';
import { INSTANCE_COUNTS, type MicroCase, type MicroSubject } from '../micro-case.js';
import { register, type Registered } from '../registered.js';
import { stubTransport } from '../stub-transport.js';

const SERVICES = [10, 10_000] as const;
const CALLS_A_CHANGE = 100;

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
  for (const services of SERVICES) {
    const registered = await register(2 * services, services);
    opened.push(registered);
    for (const called of new Set([SERVICES[0], services])) cases.push(await callingOf(registered, services, called));
  }
  return {
    cases,
    close: async () => {
      for (const registered of opened) await registered.close();
    },
  };
}

/** Calls some services in turn, and now and then changes an instance of any service. */
async function callingOf({ registry, changes }: Registered, services: number, called: number): Promise<MicroCase> {
  const communicator = new ServiceCommunicator({ registry, transport: stubTransport });
  const request = { path: '/users/1' };
  // Twice, since each has two instances: creates everything that the first call to one creates.
  for (let each = 0; each < 2 * called; each++) await communicator.callServiceJson(`service-${each % called}`, request);
  let calls = 0;
  return {
    what: `callServiceJson of ${grouped(called)} among ${grouped(services)} services, a change every ${CALLS_A_CHANGE} calls`,
    async run(steps) {
      for (let step = 0; step < steps; step++) {
        if (calls % CALLS_A_CHANGE === 0) await changes.setStatus();
        await communicator.callServiceJson(`service-${calls++ % called}`, request);
      }
    },
  };
}
