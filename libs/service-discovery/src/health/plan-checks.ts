import { type CheckPlan, type CheckPlanner } from './check-plan.js';
import { HttpProbe } from './probes/http-probe.js';
import { type ResolvedHealthCheckOptions } from './options.js';
import { TcpProbe } from './probes/tcp-probe.js';

/** HTTP for an instance that names a health check path, else TCP. */
export function planChecks(options: ResolvedHealthCheckOptions): CheckPlanner {
  const { schedule } = options;
  const http: CheckPlan = { schedule, probe: new HttpProbe(options) };
  const tcp: CheckPlan = { schedule, probe: new TcpProbe() };
  return ({ healthCheckPath }) => (healthCheckPath === null ? tcp : http);
}
