/** Whether Node was started with `--expose-gc`; without it, garbage counts as well. */
export const canCollect = (): boolean => globalThis.gc !== undefined;

/** Megabytes of heap in use, after garbage collection if possible. */
export async function heapInUseMb(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    // Finalizers and what they release need separate turns.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed / 1_048_576;
}
