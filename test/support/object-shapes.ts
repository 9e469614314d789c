import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';

setFlagsFromString('--allow-natives-syntax');
const haveSameMap = runInThisContext('(a, b) => %HaveSameMap(a, b)') as (a: object, b: object) => boolean;
// It is compiled at the first call.
haveSameMap({}, {});
setFlagsFromString('--no-allow-natives-syntax');

/** Whether the engine lays two objects out alike, so that code which reads both stays fast, and neither needs a layout of its own. */
export function haveSameShape(a: object, b: object): boolean {
  return haveSameMap(a, b);
}
