import { type ModuleRef } from '@nestjs/core';
import { type IntervalRegistry } from './listed-timers.js';

/** The app's `SchedulerRegistry`; undefined where the app does not import `ScheduleModule`. */
export async function findSchedulerRegistry(moduleRef: ModuleRef): Promise<IntervalRegistry | undefined> {
  const schedule = await import('@nestjs/schedule').catch(() => undefined);
  if (!schedule) return undefined;
  try {
    return moduleRef.get(schedule.SchedulerRegistry, { strict: false });
  } catch {
    return undefined;
  }
}
