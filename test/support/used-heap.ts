import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of the heap that are in use, after what nobody needs was collected. */
export function usedHeap(): number {
  // Twice: what the first run finalizes goes with the second.
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
