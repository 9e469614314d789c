import { systemClock } from '../../libs/service-discovery/src/common/index.js';

export const sinceMs = (start: number): number => Math.round(systemClock.now() - start);
export const report = (line: string): void => void process.stdout.write(`${line}\n`);
