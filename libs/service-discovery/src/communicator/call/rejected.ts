/** Reports an error from before the call began as a rejected promise, like any other. */
export async function rejected(error: unknown): Promise<never> {
  throw error;
}
