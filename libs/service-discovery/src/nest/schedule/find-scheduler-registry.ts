import { type ModuleRef } from '@nestjs/core';
import { type IntervalRegistry } from './listed-timers.js';

/** The app's `SchedulerRegistry`; undefined where the app does not import `ScheduleModule`, or the package is not there. */
export async function findSchedulerRegistry(moduleRef: ModuleRef): Promise<IntervalRegistry | undefined> {
  try {
    // Loaded within `try`, which is how webpack knows that it may be missing.
    const { SchedulerRegistry } = await import('@nestjs/schedule');
    return moduleRef.get(SchedulerRegistry, { strict: false });
  } catch {
    return undefined;
  }
}
