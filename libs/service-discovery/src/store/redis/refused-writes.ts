import { Listeners } from '../../common/index.js';
import { type LuaAnswer, type LuaCall } from './lua-call.js';
import { probeWrite } from './lua-scripts.js';

/** Redis answers but refuses writes: out of memory, too few replicas, a failed snapshot to disk, or it is a replica. */
export const REFUSES_WRITES = /^(OOM|NOREPLICAS|MISCONF|READONLY)\b/;

/**
 * Which of the servers that this process writes to refuse writes. A refusal shows in the answer to any script. That it
 * is over is found by {@link probes}, since the next write there may be far off.
 */
export class RefusedWrites {
  /** A key on each server, by server. */
  private readonly keys = new Map<string, string>();
  private reason: Error | null = null;
  private readonly listeners = new Listeners<[refusal: Error | null]>();

  /** @param explain makes the error for callers from that of Redis */
  constructor(private readonly explain: (error: Error) => Error) {}

  /**
   * Calls `listener` with the reason when a server starts to refuse writes, at once if one already does, and with null
   * when all servers accept them again.
   * @returns removes the listener
   */
  onChange(listener: (refusal: Error | null) => void): () => void {
    if (this.reason) listener(this.reason);
    return this.listeners.add(listener);
  }

  /**
   * Updates the state from the answers of Redis.
   * @param serverOf the server that holds a key, as any string
   */
  note(
    calls: readonly LuaCall<unknown>[],
    answers: readonly LuaAnswer<unknown>[],
    serverOf: (key: string) => string,
  ): void {
    answers.forEach((answer, index) => {
      const [key = ''] = calls[index]!.keys;
      if ('error' in answer && REFUSES_WRITES.test(answer.error.message)) this.refuse(serverOf(key), key, answer.error);
      // Other errors, such as LOADING or MASTERDOWN, say nothing about writes.
      else if ('reply' in answer && calls[index]!.script === PROBE) this.accept(key);
    });
  }

  /** One call for each server that refuses writes, which fails while it still does. */
  probes(): LuaCall<unknown>[] {
    return [...this.keys.values()].map((leases) => probeWrite({ leases }));
  }

  private refuse(server: string, key: string, error: Error): void {
    // Any key in the same slot will do.
    this.keys.set(server, key.replace(/[^:]*$/, 'leases'));
    if (this.reason) return;
    this.reason = this.explain(error);
    this.listeners.call(this.reason);
  }

  private accept(key: string): void {
    for (const [server, known] of this.keys) if (known === key) this.keys.delete(server);
    if (!this.reason || this.keys.size > 0) return;
    this.reason = null;
    this.listeners.call(null);
  }
}

const PROBE = probeWrite({ leases: '' }).script;
