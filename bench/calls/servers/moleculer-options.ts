import { type BrokerOptions } from 'moleculer';

export const MOLECULER_ACTION = 'users.get';

/** A node at its own port, or a client that calls all of them, over moleculer's own TCP transporter. */
export function moleculerOptions(nodeID: string, ports: readonly number[]): BrokerOptions {
  const urls = ports.map((port, n) => `127.0.0.1:${port}/${moleculerNodeId(n)}`);
  return {
    nodeID,
    logger: false,
    // Nodes are told of, rather than found by UDP, so that nothing else on the network is.
    transporter: { type: 'TCP', options: { udpDiscovery: false, urls, gossipPeriod: 1 } },
  };
}

export const moleculerNodeId = (n: number): string => `node-${n}`;
