import { type Probe, type ProbeResult } from './probe.js';

/**
 * Reports why an instance cannot be checked by this process. That is not the instance's fault, so the result is
 * inconclusive.
 */
export class SkippingProbe implements Probe {
  private readonly result: ProbeResult;

  constructor(reason: string) {
    this.result = { passed: false, skipped: true, misconfigured: true, reason };
  }

  check(): Promise<ProbeResult> {
    return Promise.resolve(this.result);
  }
}
