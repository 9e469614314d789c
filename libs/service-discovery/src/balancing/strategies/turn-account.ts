import { type Candidate } from '../strategy.js';

/**
 * What one candidate has had of its turns, and is due. A turn is as many picks as the weights sum up to, and everybody's
 * share of it is its weight. Time is counted in turns.
 */
export interface TurnAccount {
  readonly candidate: Candidate;
  /** Its weight. */
  readonly share: number;
  /** Its picks since the turn began; of parts, where it came in between two of them. */
  taken: number;
  /** The number of its last pick, so that of equals the one that has waited longest comes first; random before that. */
  since: number;
  /** When its next pick may be at the earliest, and when it should be at the latest. */
  opens: number;
  due: number;
}

/** What rounding may make of picks. */
const ROUNDING = 1e-9;

/** How many picks are missing to the exact share at a time; negative: how many it has in advance. */
export function outstanding({ share, taken }: TurnAccount, time: number): number {
  return share * time - taken;
}

/**
 * Says when the next pick may and should be for nobody ever to be a whole pick away from its exact share: not before a
 * small part of it is due, nor after all of it but that part. This is Tijdeman's rule ("The chairman assignment problem",
 * 1980); its 1 - 1 / (2n - 2) of a pick is the least that is possible among n.
 * @param count how many take turns
 */
export function schedule(account: TurnAccount, count: number): void {
  const part = 1 / Math.max(2 * count - 2, 2);
  account.opens = (account.taken + part) / account.share;
  account.due = (account.taken + 1 - part) / account.share;
}

/** Which of two that may be picked comes first. */
export function isDueBefore(a: TurnAccount, b: TurnAccount): boolean {
  if (a.due !== b.due) return a.due < b.due;
  // The light ones can wait for the gap between two picks of a heavy one, not the other way round.
  return a.share === b.share ? a.since < b.since : a.share > b.share;
}

/**
 * Leaves to those who missed picks together one of these, for all of them. What they have outstanding or in advance among
 * themselves stays.
 * @returns how many picks they are not owed any more
 */
export function forgiveMissed(accounts: readonly TurnAccount[], time: number): number {
  let shares = 0;
  let missing = 0;
  for (const account of accounts) {
    shares += account.share;
    missing += outstanding(account, time);
  }
  if (missing <= 1) return 0;
  for (const account of accounts) account.taken += ((missing - 1) / shares) * account.share;
  return missing - 1;
}

/**
 * Makes what some have outstanding equal to what others have in advance, as it is not when some come or go. Everybody
 * bears as many picks of the difference: by their shares, a heavy one would bear several.
 */
export function balance(accounts: readonly TurnAccount[], time: number): void {
  let missing = 0;
  for (const account of accounts) missing += outstanding(account, time);
  // Whole numbers stay whole where nothing has changed.
  if (missing * missing < ROUNDING) return;
  for (const account of accounts) account.taken += missing / accounts.length;
}
