import { type Probe, type ProbeResult } from './probe.js';

/** Says why an instance cannot be checked from here. That is no fault of the instance, so it counts neither way. */
export class SkippingProbe implements Probe {
  private readonly result: ProbeResult;

  constructor(reason: string) {
    this.result = { passed: false, skipped: true, misconfigured: true, reason };
  }

  check(): Promise<ProbeResult> {
    return Promise.resolve(this.result);
  }
}
