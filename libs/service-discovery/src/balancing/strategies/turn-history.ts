import { differenceOf, type Random } from '../../common/index.js';
import { type Candidate, candidateAt } from './strategy.js';
import { type TurnAccounts } from './turn-accounts.js';

/** Of one who has left: what it had outstanding then, and the number of its last pick. */
export interface Absence {
  readonly missing: number;
  readonly since: number;
}

/** What turns have been taken of a list. */
export interface TurnHistory {
  readonly list: readonly Candidate[];
  readonly accounts: TurnAccounts;
  /** In turns since the present one began. */
  readonly time: number;
  /** Those who have left the list, the last ones last. While they are away they miss nothing. */
  readonly away: ReadonlyMap<string, Absence>;
}

/** Where those stand in a list whom nobody knew before; and who is away now. */
export interface Succession extends Pick<TurnHistory, 'away'> {
  readonly joining: readonly number[];
}

/**
 * Opens the accounts of a list with what the one before it tells of its members.
 * @param accounts of the list
 */
export function takeOver(list: readonly Candidate[], accounts: TurnAccounts, before?: TurnHistory): Succession {
  if (!before) return { joining: [...list.keys()], away: new Map() };
  const { start, endBefore, endAfter } = differenceOf(before.list, list, haveSameId);
  goOn(list, accounts, before, { from: 0, to: start, shift: 0 });
  goOn(list, accounts, before, { from: endAfter, to: list.length, shift: endBefore - endAfter });
  const left = new Map(before.list.slice(start, endBefore).map((candidate, index) => [idOf(candidate), start + index]));
  const back = new Set<string>();
  const joining: number[] = [];
  for (let place = start; place < endAfter; place++) {
    const candidate = candidateAt(list, place);
    const id = idOf(candidate);
    const placeBefore = left.get(id);
    const absence = before.away.get(id);
    if (placeBefore !== undefined) {
      goOn(list, accounts, before, { from: place, to: place + 1, shift: placeBefore - place });
      left.delete(id);
    } else if (absence) {
      comeIn(accounts, place, candidate, { ...absence, time: before.time });
      back.add(id);
    } else {
      joining.push(place);
    }
  }
  const isAsBefore = left.size === 0 && back.size === 0;
  return { joining, away: isAsBefore ? before.away : absences(before, left, back, list.length) };
}

/**
 * Opens the accounts of those who are new, each before a random one of the others, so that it is not the first that all
 * processes call.
 * @param joining their places
 */
export function join(
  list: readonly Candidate[],
  joining: readonly number[],
  { accounts, time, random }: { accounts: TurnAccounts; time: number; random: Random },
): void {
  const places = new Set(joining);
  const peers = [...list.keys()].filter((place) => !places.has(place));
  for (const place of joining) {
    const { weight } = candidateAt(list, place);
    const peer = peers[Math.floor(random() * peers.length)];
    if (peer === undefined) {
      accounts.set(place, weight, 0, random() - 1);
      continue;
    }
    const isAlike = weight === accounts.shareOf(peer);
    const taken = isAlike ? accounts.takenBy(peer) : weight * time - accounts.outstanding(peer, time);
    accounts.set(place, weight, taken, accounts.pickBy(peer) - (1 - random()) / 2);
  }
}

/** How many two lists have in common. */
export function commonTo(before: readonly Candidate[], after: readonly Candidate[]): number {
  const { start, endBefore, endAfter } = differenceOf(before, after, haveSameId);
  const ids = new Set(before.slice(start, endBefore).map(idOf));
  const strangers = after.slice(start, endAfter).filter((candidate) => !ids.has(idOf(candidate)));
  return after.length - strangers.length;
}

export function idOf({ instance }: Candidate): string {
  return instance.instanceId;
}

function haveSameId(one: Candidate, other: Candidate): boolean {
  return one === other || idOf(one) === idOf(other);
}

/** @param shift from the place of each to the one that it had before */
function goOn(
  list: readonly Candidate[],
  accounts: TurnAccounts,
  { accounts: known, time }: TurnHistory,
  { from, to, shift }: { from: number; to: number; shift: number },
): void {
  accounts.copy(known, from, to, shift);
  for (let place = from; place < to; place++) {
    const candidate = candidateAt(list, place);
    if (candidate.weight === accounts.shareOf(place)) continue;
    comeIn(accounts, place, candidate, {
      missing: accounts.outstanding(place, time),
      since: accounts.pickBy(place),
      time,
    });
  }
}

/** A new weight, and an absence, leave the picks outstanding as they are. */
function comeIn(
  accounts: TurnAccounts,
  place: number,
  { weight }: Candidate,
  { missing, since, time }: Absence & { readonly time: number },
): void {
  accounts.set(place, weight, weight * time - missing, since);
}

/** Those who were away before, without those who are back, and those who leave now, by their places. */
function absences(
  { accounts, time, away }: TurnHistory,
  leaving: ReadonlyMap<string, number>,
  back: ReadonlySet<string>,
  most: number,
): ReadonlyMap<string, Absence> {
  const now = [...leaving].map(([id, place]): [string, Absence] => {
    return [id, { missing: accounts.outstanding(place, time), since: accounts.pickBy(place) }];
  });
  return new Map([...[...away].filter(([id]) => !back.has(id)), ...now].slice(-most));
}
