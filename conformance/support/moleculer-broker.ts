import { ServiceBroker, type BrokerOptions } from 'moleculer';

/** A node as announced over a transporter. */
interface NodeInfo {
  readonly sender: string;
  readonly ver: string;
  readonly instanceID: string;
  readonly hostname: string;
  readonly ipList: readonly string[];
  readonly client: object;
  readonly config: object;
  readonly seq: number;
  readonly services: readonly object[];
}

/** The part of a broker's node catalogue that its transit uses. */
interface NodeCatalog {
  processNodeInfo(info: NodeInfo): void;
  disconnected(id: string, unexpected: boolean): void;
  get(id: string): { heartbeat(beat: { cpu: number; cpuSeq: number }): void } | undefined;
}

/** A broker to which other nodes are announced as by a transporter, without connections. */
export class KnowingBroker {
  readonly broker: ServiceBroker;
  private readonly present = new Map<string, Set<string>>();
  private seq = 0;

  constructor(options: BrokerOptions) {
    // Without a transporter, a broker neither calls nor discovers others.
    this.broker = new ServiceBroker({ logger: false, nodeID: 'caller', transporter: 'Fake', ...options });
  }

  private get nodes(): NodeCatalog {
    return this.broker.registry.nodes as NodeCatalog;
  }

  /** Announces that these nodes have the service. Each node has one service. */
  announce(service: string, ids: readonly string[]): void {
    const before = this.present.get(service) ?? new Set<string>();
    const now = new Set(ids);
    this.present.set(service, now);
    for (const id of before) {
      if (!now.has(id)) this.nodes.disconnected(id, false);
    }
    for (const id of now) {
      if (!before.has(id)) this.nodes.processNodeInfo(this.infoOf(id, service));
    }
  }

  tellLoad(id: string, cpu: number): void {
    this.nodes.get(id)?.heartbeat({ cpu, cpuSeq: ++this.seq });
  }

  private infoOf(id: string, service: string): NodeInfo {
    const action = `${service}.get`;
    const seq = ++this.seq;
    const offered = { name: service, fullName: service, settings: {}, metadata: {}, events: {} };
    return {
      sender: id,
      ver: '4',
      instanceID: `${id}-${seq}`,
      hostname: id,
      ipList: [],
      client: {},
      config: {},
      seq,
      services: [{ ...offered, actions: { [action]: { name: action, rawName: 'get' } } }],
    };
  }
}
