import { type ModuleRef, type ModulesContainer } from '@nestjs/core';
import { providesAnyWith } from '../provides.js';
import { type IntervalRegistry } from './listed-timers.js';

/** The app's `SchedulerRegistry`; undefined where the app does not import `ScheduleModule`, or the package is not there. */
export async function findSchedulerRegistry(
  moduleRef: ModuleRef,
  modules: ModulesContainer,
): Promise<IntervalRegistry | undefined> {
  if (!providesAnyWith(modules, 'addInterval', 'deleteInterval', 'doesExist')) return undefined;
  try {
    // Loaded within `try`, which is how webpack knows that it may be missing.
    const { SchedulerRegistry } = await import('@nestjs/schedule');
    return moduleRef.get(SchedulerRegistry, { strict: false });
  } catch {
    return undefined;
  }
}
