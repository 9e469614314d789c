import { joinSignals, RegistryUnavailableError } from '../../common/index.js';
import { type Change, type WatchScope } from '../../model/index.js';
import { type RegistryStore } from '../../store/index.js';

/** One watch on a store, read until it ends. */
export class StoreWatch {
  /**
   * Resolves with the reason when the watch ends: the store's error, or that the store ended the watch. Never rejects.
   */
  readonly ended: Promise<unknown>;
  private readonly stopping = new AbortController();

  /** @param take called with each change, in order */
  constructor(
    store: RegistryStore,
    readonly scope: WatchScope,
    signal: AbortSignal,
    private readonly take: (change: Change, watch: StoreWatch) => void,
  ) {
    this.ended = this.read(store, signal);
  }

  stop(): void {
    this.stopping.abort();
  }

  private async read(store: RegistryStore, signal: AbortSignal): Promise<unknown> {
    const either = joinSignals([signal, this.stopping.signal]);
    try {
      for await (const change of store.watch(this.scope, either.signal)) {
        if (either.signal.aborted) break;
        this.take(change, this);
      }
      return new RegistryUnavailableError('The store ended the watch');
    } catch (error) {
      return error;
    } finally {
      either.release();
    }
  }
}
