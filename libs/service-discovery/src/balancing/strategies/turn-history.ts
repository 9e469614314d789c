import { differenceOf, type Random } from '../../common/index.js';
import { type Candidate, candidateAt } from '../strategy.js';
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

/** Where those stand in a list whom the one before it knew, and where those whom nobody knows; and who is away now. */
export interface Succession extends Pick<TurnHistory, 'away'> {
  readonly staying: readonly number[];
  readonly joining: readonly number[];
}

/**
 * Opens the accounts of a list with what the one before it tells of its members.
 * @param accounts of the list
 */
export function takeOver(list: readonly Candidate[], accounts: TurnAccounts, before?: TurnHistory): Succession {
  if (!before) return { staying: [], joining: [...list.keys()], away: new Map() };
  const { start, endBefore, endAfter } = differenceOf(before.list, list, haveSameId);
  const left = new Map(before.list.slice(start, endBefore).map((candidate, index) => [idOf(candidate), start + index]));
  const back = new Set<string>();
  const staying: number[] = [];
  const joining: number[] = [];
  for (let place = 0; place < list.length; place++) {
    const candidate = candidateAt(list, place);
    const isBetween = place >= start && place < endAfter;
    const same = place < start ? place : place - endAfter + endBefore;
    const placeBefore = isBetween ? left.get(idOf(candidate)) : same;
    const absence = placeBefore === undefined ? before.away.get(idOf(candidate)) : undefined;
    if (placeBefore !== undefined) goOn(accounts, place, candidate, { before, placeBefore });
    if (absence) comeIn(accounts, place, candidate, { ...absence, time: before.time });
    if (isBetween) left.delete(idOf(candidate));
    if (absence) back.add(idOf(candidate));
    (placeBefore === undefined && !absence ? joining : staying).push(place);
  }
  const isAsBefore = left.size === 0 && back.size === 0;
  return { staying, joining, away: isAsBefore ? before.away : absences(before, left, back, list.length) };
}

/**
 * Opens the account of somebody new before a random one of the others, so that it is not the first that all processes call.
 * @param peers the places of the others
 */
export function join(
  place: number,
  { weight }: Candidate,
  by: { accounts: TurnAccounts; peers: readonly number[]; time: number; random: Random },
): void {
  const { accounts, peers, time, random } = by;
  const peer = peers[Math.floor(random() * peers.length)];
  if (peer === undefined) return accounts.set(place, weight, 0, random() - 1);
  const isAlike = weight === accounts.shareOf(peer);
  const taken = isAlike ? accounts.takenBy(peer) : weight * time - accounts.outstanding(peer, time);
  accounts.set(place, weight, taken, accounts.pickBy(peer) - (1 - random()) / 2);
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

function goOn(
  accounts: TurnAccounts,
  place: number,
  candidate: Candidate,
  { before, placeBefore }: { before: TurnHistory; placeBefore: number },
): void {
  const { accounts: known, time } = before;
  const since = known.pickBy(placeBefore);
  if (candidate.weight === known.shareOf(placeBefore)) {
    accounts.set(place, candidate.weight, known.takenBy(placeBefore), since);
  } else {
    comeIn(accounts, place, candidate, { missing: known.outstanding(placeBefore, time), since, time });
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
