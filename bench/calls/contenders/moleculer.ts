import { ServiceBroker } from 'moleculer';
import { MOLECULER_ACTION, moleculerOptions } from '../servers/moleculer-options.js';
import { type Contender } from './contender.js';

/** Moleculer over its own TCP transporter, as it comes: round robin, and neither retries, breakers nor metrics. */
export const moleculer: Contender = {
  async setup({ ports }) {
    const broker = new ServiceBroker(moleculerOptions('client', ports));
    const connected = new Promise<void>((resolve) => {
      const known = new Set<string>();
      broker.localBus.on('$node.connected', ({ node }: { node: { id: string } }) => {
        if (known.add(node.id).size === ports.length) resolve();
      });
    });
    await broker.start();
    await connected;
    await broker.waitForServices('users');
    return {
      call: ({ path, json }) => broker.call(MOLECULER_ACTION, { path, json }),
      close: () => broker.stop(),
    };
  },
};
