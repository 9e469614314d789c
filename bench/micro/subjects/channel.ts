import { LoadBalancingStrategy, ServiceCommunicator } from 'nest-service-discovery/core';
import { INSTANCE_COUNTS, type MicroCase, type MicroSubject } from '../micro-case.js';
import { register, type Registered } from '../registered.js';
import { stubTransport } from '../stub-transport.js';

/**
 * From a change in the store, through snapshot, listeners, channel and balancer, to the end of the next call. Each
 * instance was called before, so it has a breaker, an outlier record and load data.
 */
export async function channel(): Promise<MicroSubject> {
  const cases: MicroCase[] = [];
  const opened: Registered[] = [];
  for (const instances of INSTANCE_COUNTS) {
    const registered = await register(instances);
    opened.push(registered);
    const { changes } = registered;
    const communicator = new ServiceCommunicator(
      { registry: registered.registry, transport: stubTransport },
      { outlierDetection: {} },
    );
    for (let calls = 0; calls < instances; calls++) await communicator.callService('service-0', { path: '/' });
    for (const strategy of Object.values(LoadBalancingStrategy)) {
      const calling = communicator.withOptions({ loadBalancing: strategy });
      cases.push({
        what: `one instance changes, next call by ${strategy}`,
        instances,
        async run(steps) {
          for (let step = 0; step < steps; step++) {
            await changes.setStatus();
            await calling.callService('service-0', { path: '/', key: 'user-1' });
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
