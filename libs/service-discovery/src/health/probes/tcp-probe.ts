import { type ServiceInstance } from '../../model/index.js';
import { openConnection, type ConnectionDeps } from './connection.js';
import { connectionFailure } from './probe-failure.js';
import { type Probe, type ProbeResult } from './probe.js';

/** Where a TCP health check connects. */
export interface TcpProbeSettings {
  /** @default the instance's port */
  readonly port?: number;
}

/** Passes when a TCP connection opens; sends nothing. Never throws. */
export class TcpProbe implements Probe {
  constructor(
    private readonly settings: TcpProbeSettings = {},
    private readonly deps: ConnectionDeps = {},
  ) {}

  async check({ host, port }: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    try {
      const socket = await openConnection({ host, port: this.settings.port ?? port }, undefined, signal, this.deps);
      socket.destroy();
      return { passed: true };
    } catch (error) {
      return connectionFailure(error, signal);
    }
  }
}
