/** What the shop answers to what was done on somebody's behalf. */
export interface Receipt {
  /** Under which the caller asked for it. */
  id: string;
  servedBy: string;
}
