import { type Clock, type Timer } from '../common/index.js';

/** Runs `task` for every item, at most `concurrency` at a time. Rejects with the first failure after all have ended. */
export async function inBatches<T>(
  items: readonly T[],
  concurrency: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      try {
        await task(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

/** Whether `promise` settled, either way, within the time. */
export async function settlesWithin(clock: Clock, ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: Timer | undefined;
  const tooLate = new Promise<boolean>((resolve) => (timer = clock.setTimer(() => resolve(false), ms)));
  const settled = promise.then(
    () => true,
    () => true,
  );
  const inTime = await Promise.race([settled, tooLate]);
  timer?.cancel();
  return inTime;
}
