/** Whether objects and arrays are nested more than `limit` levels deep. Does not recurse, so that hostile JSON cannot overflow the stack. */
export function isDeeper(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap((node) => (isNode(node) ? Object.values(node).filter(isNode) : []));
  }
  return false;
}

function isNode(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
