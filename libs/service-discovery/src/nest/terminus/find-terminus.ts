import { type ModuleRef, ModulesContainer } from '@nestjs/core';
import { type HealthCheckService, type HealthIndicatorService } from '@nestjs/terminus';
import { providesAnyWith } from '../provides.js';

/** What an app that imports `TerminusModule` has of it. */
export interface AppTerminus {
  readonly checks: HealthCheckService;
  readonly indicators: HealthIndicatorService;
}

/** Terminus as the app has it; undefined where the app does not import `TerminusModule`, or the package is not there. */
export async function findTerminus(moduleRef: ModuleRef): Promise<AppTerminus | undefined> {
  if (!providesAnyWith(moduleRef.get(ModulesContainer, { strict: false }), 'check')) return undefined;
  try {
    // Loaded here, by its literal name and within `try`: esbuild and webpack then bundle apps that do not have it.
    const { HealthCheckService, HealthIndicatorService } = await import('@nestjs/terminus');
    return {
      checks: moduleRef.get(HealthCheckService, { strict: false }),
      indicators: moduleRef.get(HealthIndicatorService, { strict: false }),
    };
  } catch {
    return undefined;
  }
}
