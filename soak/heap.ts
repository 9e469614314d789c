/** Whether Node was started with `--expose-gc`, without which what garbage holds counts as well. */
export const canCollect = (): boolean => globalThis.gc !== undefined;

/** The megabytes of the heap that are in use, after garbage has been collected as far as that can be asked for. */
export async function heapInUseMb(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    // Finalizers, and what they let go, come in a turn of their own.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed / 1_048_576;
}
