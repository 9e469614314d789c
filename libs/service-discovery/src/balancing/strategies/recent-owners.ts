/** In place of the index of an owner. */
export const NOBODY = -1;

/** Places for the keys of each member, within bounds that are powers of two. */
const PLACES_EACH = 16;
const FEWEST_PLACES = 1_024;
const MOST_PLACES = 16_384;
/** So many places are shared by the same keys, so that few that are in use evict each other. */
const SHARED = 4;

/**
 * The owners of keys that were asked for of late, by the keys' hashes, as a processor's cache keeps its lines: what is remembered is
 * bounded, and costs next to nothing to keep.
 */
export class RecentOwners {
  private readonly hashes: Uint32Array;
  private readonly owners: Int32Array;
  private evicted = 0;

  /** @param members how many may own keys */
  constructor(members: number) {
    const wanted = Math.min(Math.max(PLACES_EACH * members, FEWEST_PLACES), MOST_PLACES);
    const places = 2 ** Math.ceil(Math.log2(wanted));
    this.hashes = new Uint32Array(places);
    this.owners = new Int32Array(places).fill(NOBODY);
  }

  /** The index of an owner; `NOBODY` where it is not remembered. */
  of(hash: number): number {
    const first = this.firstFor(hash);
    for (let place = first; place < first + SHARED; place++) {
      if (this.hashes[place] === hash) return this.owners[place] ?? NOBODY;
    }
    return NOBODY;
  }

  set(hash: number, owner: number): void {
    const first = this.firstFor(hash);
    let place = first;
    while (place < first + SHARED && this.owners[place] !== NOBODY) place++;
    if (place === first + SHARED) place = first + (this.evicted++ % SHARED);
    this.hashes[place] = hash;
    this.owners[place] = owner;
  }

  private firstFor(hash: number): number {
    return (SHARED * hash) & (this.hashes.length - 1);
  }
}
