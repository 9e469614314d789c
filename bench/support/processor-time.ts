import { readdirSync, readFileSync } from 'node:fs';

/**
 * The processor time that processes have used, user and system, of all threads that still run, in microseconds; NaN on
 * systems other than Linux.
 */
export function processorTimeOf(pids: readonly number[]): number {
  if (process.platform !== 'linux') return Number.NaN;
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of threadsOf(pid)) nanoseconds += Number.parseInt(read(`${thread}/schedstat`), 10);
  }
  return nanoseconds / 1_000;
}

/** A process and its children, such as the workers of nginx. */
export function familyOf(pid: number): number[] {
  const children = threadsOf(pid).flatMap((thread) => read(`${thread}/children`).split(' ').filter(Boolean));
  return [pid, ...children.map(Number).flatMap(familyOf)];
}

function threadsOf(pid: number): string[] {
  return process.platform === 'linux' ? readdirSync(`/proc/${pid}/task`).map((id) => `/proc/${pid}/task/${id}`) : [];
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}
