import { type BrokerOptions } from 'moleculer';

export const MOLECULER_ACTION = 'users.get';

/** A node on its own port, or a client that calls all of them, over moleculer's TCP transporter. */
export function moleculerOptions(nodeID: string, ports: readonly number[]): BrokerOptions {
  const urls = ports.map((port, n) => `127.0.0.1:${port}/${moleculerNodeId(n)}`);
  return {
    nodeID,
    logger: false,
    // Nodes are listed instead of discovered by UDP, which could find others on the network.
    transporter: { type: 'TCP', options: { udpDiscovery: false, urls, gossipPeriod: 1 } },
  };
}

export const moleculerNodeId = (n: number): string => `node-${n}`;
