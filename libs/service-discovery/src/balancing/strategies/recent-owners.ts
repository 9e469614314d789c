/** In place of an owner's index. */
export const NO_OWNER = -1;

/** Cache entries per member, within bounds that are powers of two. */
const ENTRIES_PER_MEMBER = 16;
const MIN_ENTRIES = 1_024;
const MAX_ENTRIES = 16_384;
/** Entries that a key can be stored in, so that keys in use rarely evict each other. */
const WAYS = 4;

/**
 * The owners of recently used keys, by the keys' hashes, in a set-associative cache like that of a CPU: bounded, and almost
 * free to maintain.
 */
export class RecentOwners {
  private readonly hashes: Uint32Array;
  private readonly owners: Int32Array;
  private evicted = 0;

  /** @param members the number of possible owners */
  constructor(members: number) {
    const wanted = Math.min(Math.max(ENTRIES_PER_MEMBER * members, MIN_ENTRIES), MAX_ENTRIES);
    const entries = 2 ** Math.ceil(Math.log2(wanted));
    this.hashes = new Uint32Array(entries);
    this.owners = new Int32Array(entries).fill(NO_OWNER);
  }

  /** The index of a key's owner; `NO_OWNER` if it is not cached. */
  of(hash: number): number {
    const first = this.firstFor(hash);
    for (let entry = first; entry < first + WAYS; entry++) {
      if (this.hashes[entry] === hash) return this.owners[entry] ?? NO_OWNER;
    }
    return NO_OWNER;
  }

  set(hash: number, owner: number): void {
    const first = this.firstFor(hash);
    let entry = first;
    while (entry < first + WAYS && this.owners[entry] !== NO_OWNER) entry++;
    if (entry === first + WAYS) entry = first + (this.evicted++ % WAYS);
    this.hashes[entry] = hash;
    this.owners[entry] = owner;
  }

  private firstFor(hash: number): number {
    return (WAYS * hash) & (this.hashes.length - 1);
  }
}
