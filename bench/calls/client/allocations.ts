import { GCProfiler } from 'node:v8';
import { type Caller } from '../contenders/contender.js';
import { type Load, runLoad, type Times } from './load.js';

/**
 * Bytes that a call allocates in V8's heap: its growth, plus what was collected. Exact, since V8 reports the heap
 * before and after each collection; off-heap buffers are not included.
 */
export async function measureAllocations(caller: Caller, load: Load, times: Times): Promise<number> {
  let calls = 0;
  const counting: Caller = {
    call: (request) => {
      calls++;
      return caller.call(request);
    },
    close: () => caller.close(),
  };
  const profiler = new GCProfiler();
  profiler.start();
  const before = process.memoryUsage().heapUsed;
  await runLoad(counting, load, times);
  const grown = process.memoryUsage().heapUsed - before;
  const freed = profiler
    .stop()
    .statistics.map(
      ({ beforeGC, afterGC }) => beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize,
    )
    .reduce((sum, bytes) => sum + bytes, 0);
  return (grown + freed) / calls;
}
