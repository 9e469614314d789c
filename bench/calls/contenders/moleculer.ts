import { ServiceBroker } from 'moleculer';
import { MOLECULER_ACTION, moleculerNodeId, moleculerOptions } from '../servers/moleculer-options.js';
import { type Contender } from './contender.js';

/** Moleculer over its TCP transporter with its defaults: round robin, without retries, breakers or metrics. */
export const moleculer: Contender = {
  async setup({ ports }) {
    // Two clients with the same name would take over each other's connections.
    const broker = new ServiceBroker(moleculerOptions(`client-${process.pid}`, ports));
    const connected = new Promise<void>((resolve) => {
      const wanted = new Set(ports.map((_, n) => moleculerNodeId(n)));
      broker.localBus.on('$node.connected', ({ node }: { node: { id: string } }) => {
        // Nodes also announce other clients.
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
