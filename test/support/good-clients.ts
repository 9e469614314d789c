/** Prints what good clients had to wait beside an attack. @param timesMs of their requests */
export function printP99(what: string, timesMs: readonly number[]): void {
  const sorted = [...timesMs].sort((a, b) => a - b);
  const p99 = sorted[Math.ceil(0.99 * sorted.length) - 1]!;
  process.stdout.write(`${what}: p99 ${p99.toFixed(1)} ms of ${sorted.length} requests\n`);
}
