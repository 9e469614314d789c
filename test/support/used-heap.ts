import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of heap in use after a garbage collection. */
export function usedHeap(): number {
  // Twice: objects finalized in the first run are collected in the second.
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
