import { isDeepStrictEqual } from 'node:util';
import { RegistryUnavailableError, ServiceDiscoveryError } from '../common/index.js';
import { type Change, serviceKeyOf, type ServiceSplit } from '../model/index.js';
import { type RegistryStore } from '../store/index.js';
import { type SnapshotFeed } from './feed/snapshot-feed.js';

/** How often a change is retried because another process changed the split concurrently. */
const MAX_TRIES = 10;
/** How long a retry waits for the snapshot to show the conflicting split. */
const PATIENCE_MS = 1_000;

/** Writes the splits of services. */
export class SplitWrites {
  constructor(
    private readonly store: RegistryStore,
    private readonly feed: SnapshotFeed,
  ) {}

  /**
   * Resolves once the snapshot shows the change.
   * @param make derives the new split from the current one; called again if that has changed concurrently
   * @throws RegistryUnavailableError; what `make` throws
   */
  async change(service: string, make: (known: ServiceSplit | undefined) => ServiceSplit): Promise<ServiceSplit> {
    const shown = (): ServiceSplit | undefined => this.feed.snapshot.splits.get(service);
    const until = (holds: () => boolean): Promise<void> => this.feed.until(serviceKeyOf(service), holds, PATIENCE_MS);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const known = shown();
      const split = make(known);
      if (isDeepStrictEqual(split, known)) return split;
      if (await this.set(service, split, known)) {
        await until(() => isDeepStrictEqual(shown(), split));
        return split;
      }
      await until(() => shown() !== known);
    }
    throw new RegistryUnavailableError(`Other processes keep changing how calls to "${service}" are split. Try again`, {
      service,
    });
  }

  /** Restores splits that the store has lost and the snapshot still shows. */
  restore(change: Change): void {
    if (change.type !== 'reset') return;
    for (const [service, split] of this.feed.snapshot.splits) {
      // All processes try and one succeeds; a process without the right to write leaves it to the others.
      if (!change.splits?.has(service)) this.set(service, split, undefined).catch(() => undefined);
    }
  }

  /** See `RegistryStore.setSplit`. @throws RegistryUnavailableError */
  async set(service: string, split: ServiceSplit, replaces: ServiceSplit | undefined): Promise<boolean> {
    if (this.store.setSplit) return this.store.setSplit(service, split, replaces);
    const message = `The store of this registry cannot split the calls to "${service}": its class has no setSplit(). Add it there`;
    throw new ServiceDiscoveryError('INVALID_REQUEST', message, { service });
  }
}
