import { type Candidate } from '../strategy.js';
import { type Member } from './hash-table.js';
import { NOBODY } from './recent-owners.js';
import { RendezvousDraws } from './rendezvous-draws.js';
import { finish } from './stable-hash.js';
import { FREE, MAGLEV_TABLE_SIZE, Walks } from './maglev-walks.js';

/** The part of the slots that is claimed last, up to how many members; of more, quickly less, as it costs much then. */
const LAST_PART = 0.02;
const LAST_PART_UP_TO = 100;
/** How many times its share of the slots a member may have then. */
const SLACK = 1.015;

/**
 * The index of the owner of each slot. Members claim slots in turns, each in an order of its own. When nearly all are
 * taken, they have to look long for free ones, and any change of the list sends them to others; so the last ones go by
 * rendezvous hashing, as far as that leaves the shares even.
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

/** How many slots a member may have whose share is so many. */
function roomOf(share: number): number {
  return Math.max(Math.floor(SLACK * share), Math.ceil(share));
}

/**
 * @param rooms how many slots more each may have
 * @returns how many slots are left
 */
function claimInTurns(
  slots: Uint16Array,
  members: readonly Member<Candidate>[],
  slotsARound: Float64Array,
  rooms: Float64Array,
): number {
  const count = members.length;
  const walks = new Walks(slots, members);
  // Everybody gets a slot in the first round, however small its share.
  const dues = slotsARound.map((slots) => (slots < 1 ? 1 - slots : 0));
  const last = Math.floor(LAST_PART * MAGLEV_TABLE_SIZE * Math.min(1, (LAST_PART_UP_TO / count) ** 2));
  for (;;) {
    for (let index = 0; index < count; index++) {
      let due = (dues[index] ?? 0) + (slotsARound[index] ?? 0);
      for (; due >= 1; due--) {
        if (walks.left <= last) return walks.left;
        slots[walks.next(index)] = index;
        rooms[index] = (rooms[index] ?? 0) - 1;
      }
      dues[index] = due;
    }
  }
}

function claimRest(slots: Uint16Array, members: readonly Member<Candidate>[], rooms: Float64Array): void {
  const hasRoom = (index: number): boolean => (rooms[index] ?? 0) > 0;
  const draws = new RendezvousDraws(members, ({ instance }) => instance.weight);
  for (let slot = 0; slot < MAGLEV_TABLE_SIZE; slot++) {
    if (slots[slot] !== FREE) continue;
    const owner = draws.best(finish(slot), hasRoom);
    if (owner === NOBODY) continue;
    slots[slot] = owner;
    rooms[owner] = (rooms[owner] ?? 0) - 1;
  }
}
