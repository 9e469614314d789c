import { Inject, Injectable, type OnModuleInit, ServiceUnavailableException } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type HealthCheckResult, type HealthCheckService, type HealthIndicatorResult } from '@nestjs/terminus';
import { ServiceReadiness } from '../readiness/index.js';
import { findTerminus } from './find-terminus.js';
import { toHealthResult } from './health-result.js';

/** Makes health checks: by the app's Terminus, so that its options hold, else in the same form. */
@Injectable()
export class HealthChecks implements OnModuleInit {
  private terminus: HealthCheckService | undefined;

  constructor(
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(ServiceReadiness) private readonly readiness: ServiceReadiness,
  ) {}

  async onModuleInit(): Promise<void> {
    this.terminus = (await findTerminus(this.moduleRef))?.checks;
  }

  /** @throws ServiceUnavailableException with the result where the indicator says `down`, or the app shuts down */
  async check(indicator: () => HealthIndicatorResult): Promise<HealthCheckResult> {
    if (this.terminus) return this.terminus.check([indicator]);
    const details = indicator();
    const statuses = Object.values(details).map(({ status }) => status);
    if (this.readiness.isClosed) throw new ServiceUnavailableException(toHealthResult('shutting_down', details));
    if (statuses.includes('down')) throw new ServiceUnavailableException(toHealthResult('error', details));
    return toHealthResult('ok', details);
  }
}
