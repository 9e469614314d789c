import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';

setFlagsFromString('--allow-natives-syntax');
const haveSameMap = runInThisContext('(a, b) => %HaveSameMap(a, b)') as (a: object, b: object) => boolean;
// Compiled on the first call.
haveSameMap({}, {});
setFlagsFromString('--no-allow-natives-syntax');

/** Whether two objects share a hidden class in V8, which keeps code that reads both fast. */
export function haveSameShape(a: object, b: object): boolean {
  return haveSameMap(a, b);
}
