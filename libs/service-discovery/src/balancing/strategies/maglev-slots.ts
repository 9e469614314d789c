import { type Candidate } from '../strategy.js';
import { RendezvousTable } from './rendezvous-table.js';
import { finish, FIRST_MEMBER_SEED, SECOND_MEMBER_SEED, stableHash } from './stable-hash.js';

/** A prime, so that every step walks through all slots; that of the paper's small table, and of Envoy. */
export const MAGLEV_TABLE_SIZE = 65_537;
/** Stands in a slot that nobody has claimed yet; also the most members that there can be. */
export const FREE = 0xffff;
/** The part of the slots that is claimed last, up to how many members; of more, quickly less, as it costs much then. */
const LAST_PART = 0.02;
const LAST_PART_UP_TO = 100;
/** How many times its share of the slots a member may have then. */
const SLACK = 1.015;

interface Claimant {
  /** Where it looks next, and how far from there to the one after that. */
  slot: number;
  readonly step: number;
  readonly slotsARound: number;
  due: number;
  /** How many slots more it may have. */
  room: number;
}

/**
 * The index of the owner of each slot. Members claim slots in turns, each in an order of its own. When nearly all are
 * taken, they have to look long for free ones, and any change of the list sends them to others; so the last ones go by
 * rendezvous hashing, as far as that leaves the shares even.
 * @param members in the order that all processes agree on
 */
export function claimSlots(members: readonly Candidate[]): Uint16Array {
  const slots = new Uint16Array(MAGLEV_TABLE_SIZE).fill(FREE);
  const weights = members.reduce((sum, { instance }) => sum + instance.weight, 0);
  const claimants = new Map(
    members.map((member) => [member, claimantFor(member, members.length / weights, members.length)]),
  );
  claimInTurns(slots, [...claimants.values()]);

  const indexes = new Map(members.map((member, index) => [member, index]));
  const rest = new RendezvousTable(members, ({ instance }) => instance.weight);
  const hasRoom = (member: Candidate): boolean => (claimants.get(member)?.room ?? 0) > 0;
  slots.forEach((taken, slot) => {
    const owner = taken === FREE ? rest.find(finish(slot), hasRoom) : undefined;
    const claimant = owner && claimants.get(owner);
    if (!owner || !claimant) return;
    slots[slot] = indexes.get(owner) ?? 0;
    claimant.room--;
  });
  return slots;
}

function claimantFor({ instance: { instanceId, weight } }: Candidate, perWeight: number, members: number): Claimant {
  const slotsARound = weight * perWeight;
  const share = (slotsARound * MAGLEV_TABLE_SIZE) / members;
  return {
    slot: stableHash(instanceId, FIRST_MEMBER_SEED) % MAGLEV_TABLE_SIZE,
    step: 1 + (stableHash(instanceId, SECOND_MEMBER_SEED) % (MAGLEV_TABLE_SIZE - 1)),
    slotsARound,
    // Everybody gets a slot in the first round, however small its share.
    due: slotsARound < 1 ? 1 - slotsARound : 0,
    room: Math.max(Math.floor(SLACK * share), Math.ceil(share)),
  };
}

function claimInTurns(slots: Uint16Array, claimants: readonly Claimant[]): void {
  const last = Math.floor(LAST_PART * MAGLEV_TABLE_SIZE * Math.min(1, (LAST_PART_UP_TO / claimants.length) ** 2));
  let free = MAGLEV_TABLE_SIZE;
  for (;;) {
    for (const [index, claimant] of claimants.entries()) {
      for (claimant.due += claimant.slotsARound; claimant.due >= 1; claimant.due--) {
        if (free <= last) return;
        while (slots[claimant.slot] !== FREE) claimant.slot = (claimant.slot + claimant.step) % MAGLEV_TABLE_SIZE;
        slots[claimant.slot] = index;
        claimant.room--;
        free--;
      }
    }
  }
}
