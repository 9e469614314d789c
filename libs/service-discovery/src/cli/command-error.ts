/** Ends the command with a message instead of a stack trace. */
export class CommandError extends Error {
  /** @param exitCode 2 for wrong usage */
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message);
  }
}

/** Wrong usage; the usage of the command is printed below the message. */
export class UsageError extends CommandError {
  constructor(message: string) {
    super(message, 2);
  }
}
