import {
  type EventBus,
  getServiceDiscoveryConfig,
  LoadBalancingStrategy,
  type ResponseStatusError,
  type ServiceCommunicator,
  type ServiceDiscovery,
} from 'nest-service-discovery';

export interface ExampleContext {
  readonly discovery: ServiceDiscovery;
  readonly communicator: ServiceCommunicator;
  readonly events: EventBus;
  /** Starts a server for a service, and resolves with its port. */
  serve(name: string): Promise<number>;
  /** Services that answer 503. */
  readonly failing: Set<string>;
  /** Number of connections to each service. */
  readonly connections: ReadonlyMap<string, number>;
}

/** Usage examples, each returning what it demonstrates. */
export const examples: Readonly<Record<string, (context: ExampleContext) => Promise<unknown>>> = {
  /** Registers two user services and one each of all others that the examples call. */
  async 'register services'({ discovery, serve }) {
    const userPort = await serve('user-service');
    await discovery.registerService({
      serviceName: 'user-service',
      host: 'localhost',
      port: userPort,
      tags: new Set(['api', 'user']),
    });
    for (const serviceName of [
      'user-service',
      'order-service',
      'inventory-service',
      'primary-ml-service',
      'backup-ml-service',
    ]) {
      await discovery.registerService({ serviceName, host: '127.0.0.1', port: await serve(serviceName) });
    }
    return discovery
      .waitForServices(['user-service', 'order-service', 'inventory-service', 'backup-ml-service'])
      .then((endpoints) => endpoints.map(({ serviceName }) => serviceName));
  },

  async 'wait for user-service'({ discovery }) {
    return (await discovery.waitForService('user-service')).baseUrl;
  },

  async 'call as JSON'({ communicator }) {
    return communicator.callServiceJson('user-service', { path: '/users/123', method: 'GET' });
  },

  async 'circuit breaker and retry'({ communicator }) {
    const own = communicator.withOptions({
      circuitBreaker: { failureThreshold: 3, recoveryTimeout: '30s' },
      retry: { maxAttempts: 5, baseDelay: '2s' },
    });
    const answer = await own.callServiceJson('user-service', { path: '/users' });
    const stages = own.describePipeline('user-service');
    const options = (stage: string): unknown => stages.find((one) => one.stage === stage)?.options;
    return { answer, retry: options('retry'), circuitBreaker: options('circuit_breaker') };
  },

  async 'load balancing'({ communicator }) {
    const own = communicator.withOptions({ loadBalancing: LoadBalancingStrategy.LEAST_CONNECTIONS });
    const answer = await own.callServiceJson('user-service', { path: '/users' });
    return { answer, strategy: own.explain('user-service').strategy };
  },

  async 'parallel calls'({ communicator }) {
    const results = await communicator.parallelServiceCalls([
      { serviceName: 'user-service', path: '/users/123' },
      { serviceName: 'order-service', path: '/orders/456' },
      { serviceName: 'inventory-service', path: '/inventory/789' },
      { serviceName: 'missing-service', path: '/' },
    ]);
    return results.map((result) =>
      result.success
        ? { index: result.callIndex, data: result.data }
        : { index: result.callIndex, code: (result.error as { code?: string }).code },
    );
  },

  async fallback({ communicator }) {
    const { data, fallback } = await communicator.callServiceWithFallback({
      primaryService: 'primary-ml-service',
      fallbackService: 'backup-ml-service',
      path: '/recommend',
      method: 'POST',
      json: { user_id: 123 },
    });
    return { data, fallback };
  },

  async 'both services fail'({ communicator, failing }) {
    failing.add('backup-ml-service');
    try {
      return await communicator.callServiceWithFallback({
        primaryService: 'primary-ml-service',
        fallbackService: 'backup-ml-service',
        path: '/recommend',
        method: 'POST',
        json: { user_id: 123 },
      });
    } finally {
      failing.delete('backup-ml-service');
    }
  },

  async 'integration test'({ discovery }) {
    await discovery.registerService({ serviceName: 'test-service', host: 'localhost', port: 8080 });
    const endpoint = await discovery.discoverService('test-service');
    const ended = await discovery.deregisterService('test-service');
    return { found: endpoint !== null, ended, after: await discovery.discoverService('test-service') };
  },

  async 'debug commands'({ discovery, communicator }) {
    const services = discovery.registry.listServices();
    const health = await discovery.getAggregatedHealth();
    const failure = await communicator.callServiceJson('test-service', { path: '/health' }).then(
      () => 'no error',
      (error: { code?: string }) => error.code,
    );
    return { services, total: health.totalServices, failure };
  },

  async 'communication patterns'({ discovery }) {
    return Promise.resolve(Object.keys(discovery.getCommunicationPatterns()));
  },

  async 'configuration by environment name'() {
    return Promise.resolve(getServiceDiscoveryConfig('production'));
  },

  async 'settings in force'({ communicator }) {
    const stages = communicator.describePipeline('user-service');
    return Promise.resolve(Object.fromEntries(stages.map(({ stage, options }) => [stage, options])));
  },

  /** Opens the circuit of a service, and returns how the next call ends. */
  async 'open circuit'({ discovery, communicator, serve, failing, events }) {
    const serviceName = 'failing-service';
    failing.add(serviceName);
    await discovery.registerService({ serviceName, host: '127.0.0.1', port: await serve(serviceName) });
    await discovery.waitForService(serviceName);
    const opened: unknown[] = [];
    events.on('circuit.opened', ({ service, failures }) => opened.push({ service, failures }));
    const once = communicator.withOptions({ retry: false });
    const codes: (string | undefined)[] = [];
    for (let call = 0; call < 6; call++) {
      await once
        .callServiceJson(serviceName, { path: '/' })
        .catch((error: { code?: string }) => codes.push(error.code));
    }
    return { opened, codes };
  },

  /** How many attempts a GET makes at a service that answers 503, and whether the waits between them grow. */
  async 'retries with backoff'({ communicator, events, failing, discovery, serve }) {
    const serviceName = 'retried-service';
    failing.add(serviceName);
    await discovery.registerService({ serviceName, host: '127.0.0.1', port: await serve(serviceName) });
    await discovery.waitForService(serviceName);
    const retried: number[] = [];
    const stop = events.on('call.retried', ({ attempt }) => retried.push(attempt));
    const quick = communicator.withOptions({ retry: { baseDelay: '1ms', maxDelay: '4ms', jitter: 'none' } });
    const error: unknown = await quick.callServiceJson(serviceName, { path: '/' }).catch((thrown: unknown) => thrown);
    stop();
    return { retried, attempts: (error as ResponseStatusError).attempts };
  },

  /** Which instances ten calls go to, with counts. */
  async 'spread of calls'({ communicator, events }) {
    const picks = new Map<string, number>();
    const stop = events.on('call.picked', ({ instanceId }) => picks.set(instanceId, (picks.get(instanceId) ?? 0) + 1));
    for (let call = 0; call < 10; call++) await communicator.callServiceJson('user-service', { path: '/users' });
    stop();
    return [...picks.values()];
  },

  /** How many connections ten sequential calls make. */
  async 'connections of calls'({ discovery, communicator, serve, connections }) {
    const serviceName = 'pooled-service';
    await discovery.registerService({
      serviceName,
      host: '127.0.0.1',
      port: await serve(serviceName),
      healthCheck: { type: 'custom', probe: 'none' },
    });
    for (let call = 0; call < 10; call++) await communicator.callServiceJson(serviceName, { path: '/' });
    return connections.get(serviceName);
  },

  async timeout({ communicator }) {
    return communicator
      .callServiceJson('order-service', { path: '/never', timeout: '100ms' })
      .catch((error: { code?: string }) => error.code);
  },

  async 'load balancing strategies'({ communicator }) {
    const strategies = Object.values(LoadBalancingStrategy);
    const inForce = strategies.map(
      (loadBalancing) => communicator.withOptions({ loadBalancing }).explain('user-service').strategy,
    );
    return Promise.resolve({ strategies, inForce });
  },

  /** Waits for the expiry of a registration without heartbeats. */
  async 'wait for an expiry'({ events }) {
    return new Promise((resolve) => {
      const stop = events.on('instance.expired', ({ key }) => {
        stop();
        resolve(key.serviceName);
      });
    });
  },

  /** Registers five services, one of them down, and waits for their checks. */
  async 'four of five services'({ discovery, serve, events }) {
    const down = new Promise((resolve) =>
      events.on('instance.status_changed', ({ to }) => to === 'unhealthy' && resolve(to)),
    );
    const names = ['users', 'orders', 'inventory', 'mail'];
    for (const serviceName of names) {
      await discovery.registerService({ serviceName, host: '127.0.0.1', port: await serve(serviceName) });
    }
    await discovery.registerService({ serviceName: 'reports', host: '127.0.0.1', port: 1 });
    await Promise.all([down, discovery.waitForServices(names)]);
    const { overallStatus, totalServices, healthyServices, unhealthyServices } = await discovery.getAggregatedHealth();
    return { overallStatus, totalServices, healthyServices, unhealthyServices };
  },
};
