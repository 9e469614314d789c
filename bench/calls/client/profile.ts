import { Session } from 'node:inspector/promises';
import { type Caller } from '../contenders/contender.js';
import { type Load, runLoad } from './load.js';

/** A function and its share of the profile, by self time. */
export interface ProfiledFunction {
  readonly name: string;
  /** Empty for V8's own work, such as garbage collection. */
  readonly url: string;
  readonly line: number;
  /** Of the active time; all shares add up to 1. */
  readonly share: number;
}

const SAMPLING_INTERVAL_US = 200;

/** Runs the load under V8's profiler. Returns functions by self time, highest first. */
export async function profileCalls(caller: Caller, load: Load, windowMs: number): Promise<ProfiledFunction[]> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: SAMPLING_INTERVAL_US });
    await session.post('Profiler.start');
    await runLoad(caller, load, { leadMs: 0, windowMs });
    const { profile } = await session.post('Profiler.stop');
    const callFrames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
    const selfUs = new Map<string, Omit<ProfiledFunction, 'share'> & { us: number }>();
    for (const [n, id] of (profile.samples ?? []).entries()) {
      const frame = callFrames.get(id);
      if (!frame || frame.functionName === '(idle)') continue;
      const { functionName, url, lineNumber } = frame;
      const key = `${functionName} ${url}:${lineNumber}`;
      const one = selfUs.get(key) ?? { name: functionName || '(anonymous)', url, line: lineNumber + 1, us: 0 };
      one.us += profile.timeDeltas?.[n] ?? 0;
      selfUs.set(key, one);
    }
    const totalUs = [...selfUs.values()].reduce((sum, { us }) => sum + us, 0);
    return [...selfUs.values()]
      .sort((a, b) => b.us - a.us)
      .map(({ us, ...where }) => ({ ...where, share: us / totalUs }));
  } finally {
    session.disconnect();
  }
}
