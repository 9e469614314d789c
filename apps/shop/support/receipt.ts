/** The shop's confirmation of an action. */
export interface Receipt {
  /** The id given by the caller. */
  id: string;
  servedBy: string;
}
