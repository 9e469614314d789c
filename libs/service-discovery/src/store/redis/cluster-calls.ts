import { type Cluster, type Redis } from 'ioredis';
import { addressOf, untilReady } from './connection.js';
import { callAll, type LuaAnswer, type LuaCall } from './lua-call.js';
import { slotOf } from './keys.js';

/** The delay before nodes that could not answer are asked again, for example during a failover. */
const RETRY_MS = 50;

export interface ClusterCallDeps {
  /** Whether the caller has given up, so that nothing more is sent. */
  isOver(): boolean;
  sleep(ms: number): Promise<void>;
  /** Called before calls are sent to a node. */
  onSend(node: Redis): void;
}

interface Target {
  readonly address: string | undefined;
  /** Whether the node is importing the slot, so that the call needs ASKING. */
  readonly asking: boolean;
}

/** Refusals that another node, or the same node later, can resolve. */
const REDIRECTION = /^(MOVED|ASK) \d+ (\S+)/;
const NOT_NOW = /^(TRYAGAIN|CLUSTERDOWN|MASTERDOWN|LOADING|READONLY)\b/;

/**
 * Calls scripts on a Cluster, in one round trip per node and to all nodes at once. Calls that a node refuses because
 * the slot has moved or is moving are sent again to its new owner, for as long as the caller waits. ioredis would send
 * each call separately, and continue after the timeout.
 */
export class ClusterCalls<Reply> {
  /** Nodes that owe an answer. */
  readonly waiting = new Set<Redis>();
  private readonly answers: LuaAnswer<Reply>[] = [];
  private readonly redirected = new Map<number, Target>();
  private readonly unknown = new Set<number>();
  private readonly pending: Set<number>;
  private lastRefusal: Error = new Error('no node of the Cluster is known');
  /** Whether the slot table has to be refreshed. */
  private isStale = false;
  /** Whether to try again without a delay. */
  private isProgress = false;

  constructor(
    private readonly cluster: Cluster,
    private readonly calls: readonly LuaCall<Reply>[],
    private readonly deps: ClusterCallDeps,
  ) {
    this.pending = new Set(calls.keys());
  }

  /** Why calls are still unanswered. */
  get refusal(): Error {
    return this.lastRefusal;
  }

  /** @throws Error if a connection fails after calls were sent: they may have taken effect */
  async run(): Promise<LuaAnswer<Reply>[]> {
    while (!this.deps.isOver()) {
      this.isProgress = false;
      await Promise.all([...this.byNode()].map(([node, indices]) => this.send(node, indices)));
      if (this.pending.size === 0) break;
      if (this.isStale) await refreshSlots(this.cluster);
      this.isStale = false;
      if (!this.isProgress) await this.deps.sleep(RETRY_MS);
    }
    return this.answers;
  }

  private byNode(): Map<Redis, number[]> {
    const nodes = new Map(this.cluster.nodes('all').map((node) => [addressOf(node), node]));
    const groups = new Map<Redis, number[]>();
    for (const index of this.pending) {
      const address =
        this.redirected.get(index)?.address ?? this.cluster.slots[slotOf(this.calls[index]!.keys[0]!)]?.[0];
      const node = address === undefined ? undefined : nodes.get(address);
      if (!node) {
        this.isStale = true;
        this.redirected.delete(index);
        continue;
      }
      const group = groups.get(node);
      if (group) group.push(index);
      else groups.set(node, [index]);
    }
    return groups;
  }

  private async send(node: Redis, indices: readonly number[]): Promise<void> {
    try {
      await untilReady(node);
    } catch (error) {
      this.refuse(indices, error as Error);
      return;
    }
    if (this.deps.isOver()) return;
    this.waiting.add(node);
    this.deps.onSend(node);
    const answers = await callAll(
      node,
      indices.map((index) => ({
        ...this.calls[index]!,
        load: this.unknown.has(index),
        asking: this.redirected.get(index)?.asking,
      })),
    );
    this.waiting.delete(node);
    indices.forEach((index, at) => this.take(index, answers[at]!));
  }

  private take(index: number, answer: LuaAnswer<Reply>): void {
    if ('error' in answer) {
      const { message } = answer.error;
      const [, kind, address] = REDIRECTION.exec(message) ?? [];
      if (kind !== undefined) {
        this.lastRefusal = answer.error;
        this.isProgress ||= this.redirected.get(index)?.address !== address;
        this.redirected.set(index, { address, asking: kind === 'ASK' });
        // With ASK, the slot still belongs to its old owner.
        if (kind === 'MOVED') this.isStale = true;
        return;
      }
      if (NOT_NOW.test(message)) {
        this.refuse([index], answer.error);
        return;
      }
      if (message.startsWith('NOSCRIPT') && !this.unknown.has(index)) {
        this.unknown.add(index);
        this.isProgress = true;
        return;
      }
    }
    this.isProgress = true;
    this.answers[index] = answer;
    this.pending.delete(index);
  }

  private refuse(indices: readonly number[], error: Error): void {
    this.lastRefusal = error;
    this.isStale = true;
    for (const index of indices) this.redirected.delete(index);
  }
}

/** Refreshes the slot table. A failure shows at the next attempt. */
function refreshSlots(cluster: Cluster): Promise<void> {
  return new Promise((resolve) => cluster.refreshSlotsCache(() => resolve()));
}
