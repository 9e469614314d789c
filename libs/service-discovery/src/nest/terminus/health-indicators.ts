import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type HealthIndicatorResult, type HealthIndicatorService } from '@nestjs/terminus';
import { findTerminus } from './find-terminus.js';

/** Makes the results of one indicator. */
export interface HealthSession<Key extends string> {
  up(data: object): HealthIndicatorResult<Key>;
  down(data: object): HealthIndicatorResult<Key>;
  /** Terminus has it from 12 on. */
  degraded?(data: object): HealthIndicatorResult<Key>;
}

/** Makes results of indicators: by the app's Terminus, whose version decides on what they may say, else in the same form. */
@Injectable()
export class HealthIndicators implements OnModuleInit {
  private terminus: HealthIndicatorService | undefined;

  constructor(@Inject(ModuleRef) private readonly moduleRef: ModuleRef) {}

  async onModuleInit(): Promise<void> {
    this.terminus = (await findTerminus(this.moduleRef))?.indicators;
  }

  check<const Key extends string>(key: Key): HealthSession<Key> {
    return this.terminus?.check(key) ?? sessionOf(key);
  }
}

function sessionOf<Key extends string>(key: Key): HealthSession<Key> {
  const result =
    (status: 'up' | 'degraded' | 'down') =>
    (data: object): HealthIndicatorResult<Key> =>
      ({ [key]: { status, ...data } }) as HealthIndicatorResult<Key>;
  return { up: result('up'), degraded: result('degraded'), down: result('down') };
}
