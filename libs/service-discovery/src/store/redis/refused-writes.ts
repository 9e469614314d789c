import { Listeners } from '../../common/index.js';
import { type LuaAnswer } from './lua-call.js';
import { type LuaCall } from './lua-script.js';
import { probeWrite } from './lua-scripts.js';

/** Redis answers, and takes no writes: its memory is full, too few replicas or no disk keep up, or it is a replica. */
export const REFUSES_WRITES = /^(OOM|NOREPLICAS|MISCONF|READONLY)\b/;

/**
 * Which servers refuse to be written to, of those that this process writes to. A refusal shows by the answer to any
 * script; that it is over shows by {@link probes}, since it may be long until something else is written there.
 */
export class RefusedWrites {
  /** By server: a key there. */
  private readonly keys = new Map<string, string>();
  private reason: Error | null = null;
  private readonly listeners = new Listeners<[refusal: Error | null]>();

  /** @param explain makes what callers are told of what Redis said */
  constructor(private readonly explain: (error: Error) => Error) {}

  /**
   * Calls `listener` with why when writes begin to be refused, at once where they are already, and with null when they are
   * taken everywhere again.
   * @returns stops it
   */
  onChange(listener: (refusal: Error | null) => void): () => void {
    if (this.reason) listener(this.reason);
    return this.listeners.add(listener);
  }

  /**
   * Takes in what Redis answered.
   * @param serverOf the server that a key belongs to, as any text
   */
  note(
    calls: readonly LuaCall<unknown>[],
    answers: readonly LuaAnswer<unknown>[],
    serverOf: (key: string) => string,
  ): void {
    answers.forEach((answer, index) => {
      const [key = ''] = calls[index]!.keys;
      if ('error' in answer && REFUSES_WRITES.test(answer.error.message)) this.refuse(serverOf(key), key, answer.error);
      // Another error, such as LOADING or MASTERDOWN, tells nothing about writes.
      else if ('reply' in answer && calls[index]!.script === PROBE) this.accept(key);
    });
  }

  /** Calls that are refused for as long as writes are, one a server. */
  probes(): LuaCall<unknown>[] {
    return [...this.keys.values()].map((leases) => probeWrite({ leases }));
  }

  private refuse(server: string, key: string, error: Error): void {
    // Any key of the same slot does.
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
