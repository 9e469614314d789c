import { ServiceBroker } from 'moleculer';
import { MOLECULER_ACTION, moleculerNodeId, moleculerOptions } from '../servers/moleculer-options.js';
import { type Contender } from './contender.js';

/** Moleculer over its own TCP transporter, as it comes: round robin, and neither retries, breakers nor metrics. */
export const moleculer: Contender = {
  async setup({ ports }) {
    // Two of one name would take each other's connections.
    const broker = new ServiceBroker(moleculerOptions(`client-${process.pid}`, ports));
    const connected = new Promise<void>((resolve) => {
      const wanted = new Set(ports.map((_, n) => moleculerNodeId(n)));
      broker.localBus.on('$node.connected', ({ node }: { node: { id: string } }) => {
        // They tell of other clients, too.
        if (wanted.delete(node.id) && wanted.size === 0) resolve();
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
