import { INSTANCE_COUNTS, type MicroCase, type MicroSubject } from '../micro-case.js';
import { register, type Registered } from '../registered.js';

const MANY_SERVICES = 1_000;

/** From a change in the store to the snapshot of a registry in the same process, without listeners. */
export async function snapshot(): Promise<MicroSubject> {
  const cases: MicroCase[] = [];
  const opened: Registered[] = [];
  for (const instances of INSTANCE_COUNTS) {
    for (const services of instances > MANY_SERVICES ? [1, MANY_SERVICES] : [1]) {
      const registered = await register(instances, services);
      opened.push(registered);
      const { changes } = registered;
      const among = services === 1 ? 'one service' : '1,000 services';
      cases.push(
        {
          what: `status of one instance of ${among}`,
          instances,
          async run(steps) {
            for (let step = 0; step < steps; step++) await changes.setStatus();
          },
        },
        {
          what: `heartbeat of one instance of ${among}`,
          instances,
          async run(steps) {
            for (let step = 0; step < steps; step++) await changes.renew();
          },
        },
      );
    }
  }
  return {
    cases,
    close: async () => {
      for (const registered of opened) await registered.close();
    },
  };
}
