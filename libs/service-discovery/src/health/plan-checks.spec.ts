import { createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { closeServers, instanceAt, listen } from '../../../../test/support/probed-server.js';
import { resolveHealthCheckOptions } from './options.js';
import { planChecks } from './plan-checks.js';
import { HttpProbe } from './probes/http-probe.js';
import { TcpProbe } from './probes/tcp-probe.js';

afterEach(closeServers);

describe('the choice of a probe', () => {
  const planner = planChecks(resolveHealthCheckOptions());

  it('is HTTP for an instance with a health check path', () => {
    expect(planner(instanceAt(80)).probe).toBeInstanceOf(HttpProbe);
  });

  it('is TCP for one without', async () => {
    const instance = instanceAt(await listen(createTcpServer()), { healthCheckPath: null });
    const { probe } = planner(instance);
    expect(probe).toBeInstanceOf(TcpProbe);
    expect(await probe.check(instance, new AbortController().signal)).toEqual({ passed: true });
  });
});
