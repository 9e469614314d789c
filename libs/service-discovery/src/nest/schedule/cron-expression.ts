import { createRequire } from 'node:module';
import { type CronTimes } from '../../health/index.js';

/** The part of `CronTime` of the package `cron` that is used here. */
interface CronTime {
  getNextDateFrom(start: Date): { toMillis(): number };
}
interface CronPackage {
  readonly CronTime: new (expression: string) => CronTime;
}

/** What reads cron expressions is not installed. */
export class NoCronError extends Error {}

/**
 * The times of a cron expression with five fields, or six with seconds before them, in the time zone of the process. They are
 * found by the package `cron` that comes with `@nestjs/schedule`, so that an expression means the same as in `@Cron()`.
 * @throws NoCronError; an Error that says what is wrong with the expression
 */
export function parseCron(expression: string): CronTimes {
  const { CronTime } = cronOfSchedule();
  const time = new CronTime(expression);
  // Thousands of instances wait for one and the same time, and to find one takes milliseconds.
  let last = { after: Number.POSITIVE_INFINITY, next: Number.NEGATIVE_INFINITY };
  const times: CronTimes = {
    next: (after) => {
      if (after < last.after || after >= last.next) {
        last = { after, next: time.getNextDateFrom(new Date(after)).toMillis() };
      }
      return last.next;
    },
  };
  // Only then it shows that there is none, as on the 31st of February.
  times.next(0);
  return times;
}

/** Loaded only when an expression is to be read, and from where `@nestjs/schedule` finds it. */
function cronOfSchedule(): CronPackage {
  const require = createRequire(import.meta.url);
  try {
    return createRequire(require.resolve('@nestjs/schedule'))('cron') as CronPackage;
  } catch (error) {
    throw new NoCronError('@nestjs/schedule is not installed', { cause: error });
  }
}
