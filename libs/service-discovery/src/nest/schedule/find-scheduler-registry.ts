import { type ModulesContainer } from '@nestjs/core';
import { type IntervalRegistry } from './listed-timers.js';

/** The app's `SchedulerRegistry`; undefined where the app does not import `ScheduleModule`. */
export function findSchedulerRegistry(modules: ModulesContainer): IntervalRegistry | undefined {
  for (const module of modules.values()) {
    for (const { token, instance } of module.providers.values()) {
      // By name: the app's copy of the package need not be one that can be imported from here.
      if (typeof token === 'function' && token.name === 'SchedulerRegistry' && isIntervalRegistry(instance))
        return instance;
    }
  }
  return undefined;
}

function isIntervalRegistry(value: unknown): value is IntervalRegistry {
  const methods = ['addInterval', 'deleteInterval', 'doesExist'] as const;
  return (
    typeof value === 'object' &&
    value !== null &&
    methods.every((name) => typeof Reflect.get(value, name) === 'function')
  );
}
