import { type Candidate } from './strategy.js';
import { type Member } from './hash-table.js';
import { NO_OWNER } from './recent-owners.js';
import { RendezvousScores } from './rendezvous-scores.js';
import { finish } from './stable-hash.js';
import { FREE, MAGLEV_TABLE_SIZE, MaglevPermutations } from './maglev-permutations.js';

/** The fraction of slots that is assigned last; beyond this many members it shrinks quickly, because of its cost. */
const LAST_FRACTION = 0.02;
const LAST_FRACTION_UP_TO = 100;
/** The multiple of its share of slots that a member may reach with those. */
const SLACK = 1.015;

/**
 * The index of the owner of each slot. Members claim slots in turns, each in the order of its own permutation. The last free
 * slots take long to find, and with any change of the list they would go to other members; so they are assigned by rendezvous
 * hashing, as far as the shares stay even.
 * @param members in the order that all processes agree on
 */
export function claimSlots(members: readonly Member<Candidate>[]): Uint16Array {
  const slots = new Uint16Array(MAGLEV_TABLE_SIZE).fill(FREE);
  const weights = members.reduce((sum, { candidate }) => sum + candidate.instance.weight, 0);
  const perWeight = members.length / weights;
  const slotsARound = new Float64Array(members.map(({ candidate }) => candidate.instance.weight * perWeight));
  const rooms = slotsARound.map((slots) => roomOf((slots * MAGLEV_TABLE_SIZE) / members.length));
  const free = claimInTurns(slots, members, slotsARound, rooms);
  if (free > 0) claimRest(slots, members, rooms);
  return slots;
}

/** The most slots that a member with this share may have. */
function roomOf(share: number): number {
  return Math.max(Math.floor(SLACK * share), Math.ceil(share));
}

/**
 * @param rooms the slots that each member may still get
 * @returns the number of free slots
 */
function claimInTurns(
  slots: Uint16Array,
  members: readonly Member<Candidate>[],
  slotsARound: Float64Array,
  rooms: Float64Array,
): number {
  const count = members.length;
  const permutations = new MaglevPermutations(slots, members);
  // Every member gets a slot in the first round, however small its share.
  const dues = slotsARound.map((slots) => (slots < 1 ? 1 - slots : 0));
  const last = Math.floor(LAST_FRACTION * MAGLEV_TABLE_SIZE * Math.min(1, (LAST_FRACTION_UP_TO / count) ** 2));
  for (;;) {
    for (let index = 0; index < count; index++) {
      let due = (dues[index] ?? 0) + (slotsARound[index] ?? 0);
      for (; due >= 1; due--) {
        if (permutations.left <= last) return permutations.left;
        slots[permutations.next(index)] = index;
        rooms[index] = (rooms[index] ?? 0) - 1;
      }
      dues[index] = due;
    }
  }
}

function claimRest(slots: Uint16Array, members: readonly Member<Candidate>[], rooms: Float64Array): void {
  const hasRoom = (index: number): boolean => (rooms[index] ?? 0) > 0;
  const scores = new RendezvousScores(members, ({ instance }) => instance.weight);
  for (let slot = 0; slot < MAGLEV_TABLE_SIZE; slot++) {
    if (slots[slot] !== FREE) continue;
    const owner = scores.best(finish(slot), hasRoom);
    if (owner === NO_OWNER) continue;
    slots[slot] = owner;
    rooms[owner] = (rooms[owner] ?? 0) - 1;
  }
}
