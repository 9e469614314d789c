/** What is wrong from the start is told like everything else: by the promise. */
export async function rejected(error: unknown): Promise<never> {
  throw error;
}
