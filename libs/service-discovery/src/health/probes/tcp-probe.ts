import { type ServiceInstance } from '../../model/index.js';
import { openConnection, type ConnectionDeps } from './connection.js';
import { failureReason } from './probe-failure.js';
import { type Probe, type ProbeResult } from './probe.js';

/** Passes when a TCP connection opens; sends nothing. Never throws. */
export class TcpProbe implements Probe {
  constructor(private readonly deps: ConnectionDeps = {}) {}

  async check(instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    try {
      const socket = await openConnection(instance, false, signal, this.deps);
      socket.destroy();
      return { passed: true };
    } catch (error) {
      return { passed: false, reason: failureReason(error, signal) };
    }
  }
}
