import { HttpProbe } from './http-probe.js';
import { type ResolvedHealthCheckOptions } from './options.js';
import { type ProbeSelector } from './probe.js';
import { TcpProbe } from './tcp-probe.js';

/** HTTP for an instance that names a health check path, else TCP. */
export function defaultProbes(options: ResolvedHealthCheckOptions): ProbeSelector {
  const http = new HttpProbe(options);
  const tcp = new TcpProbe();
  return ({ healthCheckPath }) => (healthCheckPath === null ? tcp : http);
}
