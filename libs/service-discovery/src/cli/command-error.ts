/** Ends the command with a message in place of a stack. */
export class CommandError extends Error {
  /** @param exitCode 2 where the command was called wrongly */
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message);
  }
}

/** The command was called wrongly: its usage is printed below the message. */
export class UsageError extends CommandError {
  constructor(message: string) {
    super(message, 2);
  }
}
