import { afterEach, describe, expect, it } from '@jest/globals';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  EventBus,
  SERVICE_DISCOVERY_OPTIONS,
  ServiceCommunicator,
  ServiceDiscoveryModule,
} from 'nest-service-discovery';
import {
  createTestingDiscovery,
  type ExpectedRequest,
  reply,
  serviceMatchers,
  type ServiceMatchers,
  type TestingDiscovery,
} from 'nest-service-discovery/testing';

declare module 'expect' {
  interface Matchers<R> {
    toHaveBeenCalledThrough: ServiceMatchers<R>['toHaveBeenCalledThrough'];
  }
}
expect.extend(serviceMatchers);

const running: INestApplicationContext[] = [];
afterEach(() => Promise.all(running.splice(0).map((app) => app.close())));

async function communicatorOf(discovery: TestingDiscovery): Promise<ServiceCommunicator> {
  const testing = await Test.createTestingModule({ imports: [discovery.module] }).compile();
  running.push(testing);
  return testing.get(ServiceCommunicator);
}

const get = (communicator: ServiceCommunicator, path = '/'): Promise<unknown> =>
  communicator.callServiceJson('user-service', { path });
const ADA = { name: 'Ada' };

describe('createTestingDiscovery()', () => {
  it('spreads calls over the instances of a fake service, and records them', async () => {
    const discovery = createTestingDiscovery();
    const users = discovery.fake('user-service', ({ path }) => ({ path }), 2);
    const communicator = await communicatorOf(discovery);
    expect([await get(communicator, '/users/1'), await get(communicator, '/users/2')]).toEqual([
      { path: '/users/1' },
      { path: '/users/2' },
    ]);
    expect(users.instances.map(({ requests }) => requests.length)).toEqual([1, 1]);
    expect(users.requests).toEqual(discovery.requests);
    expect(users.requests[0]).toMatchObject({ service: 'user-service', method: 'GET', path: '/users/1' });
  });

  it('fails over from a killed instance, for which no request is recorded', async () => {
    const discovery = createTestingDiscovery();
    const users = discovery.fake('user-service', () => ADA, 2);
    const communicator = await communicatorOf(discovery);
    users.instances[0].kill();
    for (let call = 0; call < 4; call++) expect(await get(communicator)).toEqual(ADA);
    expect(users.instances.map(({ requests }) => requests.length)).toEqual([0, 4]);
  });

  it('has a service that is killed as a whole refuse calls until it recovers', async () => {
    const discovery = createTestingDiscovery({ circuitBreaker: false });
    const users = discovery.fake('user-service', () => ADA);
    const communicator = await communicatorOf(discovery);
    users.kill();
    await expect(get(communicator)).rejects.toMatchObject({ code: 'TRANSPORT_FAILURE', neverSent: true });
    users.recover();
    expect(await get(communicator)).toEqual(ADA);
  });

  it('breaks off requests under way at an instance that is killed', async () => {
    const discovery = createTestingDiscovery();
    const users = discovery.fake('user-service', () => {
      users.kill();
      return new Promise(() => undefined);
    });
    const communicator = await communicatorOf(discovery);
    const call = communicator.callServiceJson('user-service', { method: 'POST', path: '/' });
    await expect(call).rejects.toMatchObject({ code: 'TRANSPORT_FAILURE', neverSent: false });
  });

  it('retries a call that one instance answers with an error', async () => {
    const discovery = createTestingDiscovery();
    const users = discovery.fake('user-service', () => ADA, 2);
    const communicator = await communicatorOf(discovery);
    users.instances[0].fail();
    expect(await get(communicator)).toEqual(ADA);
    users.fail(new Error('out of memory'));
    await expect(get(communicator)).rejects.toThrow('broke off: out of memory');
    users.recover();
    users.handler = () => reply(404);
    await expect(get(communicator)).rejects.toMatchObject({ status: 404 });
  });

  it('ends an attempt at a slow instance at its timeout, and answers from another one', async () => {
    const discovery = createTestingDiscovery({ attemptTimeout: '20ms' });
    const users = discovery.fake('user-service', () => ADA, 2);
    const communicator = await communicatorOf(discovery);
    users.instances[0].slow('1h');
    // Which of the two takes the first call is random.
    for (let call = 0; users.instances[0].requests.length === 0 && call < 2; call++) {
      expect(await get(communicator)).toEqual(ADA);
    }
    expect(users.instances[0].requests).toHaveLength(1);
  });

  it('opens circuits as in production', async () => {
    const discovery = createTestingDiscovery({ circuitBreaker: { failureThreshold: 2 }, retry: { maxAttempts: 1 } });
    const users = discovery.fake('user-service');
    const communicator = await communicatorOf(discovery);
    users.fail(500);
    for (let call = 0; call < 2; call++) await expect(get(communicator)).rejects.toMatchObject({ status: 500 });
    await expect(get(communicator)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  });

  it('takes a fake service after the module is compiled', async () => {
    const discovery = createTestingDiscovery();
    const communicator = await communicatorOf(discovery);
    await expect(get(communicator)).rejects.toMatchObject({ code: 'SERVICE_NOT_FOUND' });
    discovery.fake('user-service', () => ADA);
    // Called before the registry has told of it.
    expect(await get(communicator)).toEqual(ADA);
  });

  it('serves an app that imports the module itself, several times', async () => {
    const library = ServiceDiscoveryModule.forRoot({ registryUrl: 'http://127.0.0.1:1', logging: false });
    class AppModule {}
    Module({ imports: [library] })(AppModule);
    const discovery = createTestingDiscovery();
    discovery.fake('user-service', () => ADA);
    for (let start = 0; start < 2; start++) {
      const app = await Test.createTestingModule({ imports: [AppModule] })
        .overrideProvider(SERVICE_DISCOVERY_OPTIONS)
        .useValue(discovery.options)
        .compile();
      await app.init();
      expect(await get(app.get(ServiceCommunicator))).toEqual(ADA);
      await app.close();
    }
  });

  it('waits for nothing between attempts, also where the app sets other options of retries', async () => {
    const discovery = createTestingDiscovery({ retry: { maxAttempts: 5 } });
    discovery.fake('user-service').fail();
    const testing = await Test.createTestingModule({ imports: [discovery.module] }).compile();
    running.push(testing);
    const delays: number[] = [];
    testing.get(EventBus).on('call.retried', ({ delayMs }) => delays.push(delayMs));
    await expect(get(testing.get(ServiceCommunicator))).rejects.toMatchObject({ status: 503, attempts: 5 });
    expect(delays).toHaveLength(4);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1);
  });

  it('names what is wrong with a fake', () => {
    const discovery = createTestingDiscovery();
    discovery.fake('user-service');
    expect(() => discovery.fake('user-service')).toThrow('a name without a fake');
    expect(() => discovery.fake('User Service')).toThrow('the name of a service');
    expect(() => discovery.fake('a', {} as never)).toThrow('fake a: expected a function');
    expect(() => discovery.fake('a', undefined, 0)).toThrow('fake a: instances');
    expect(() => discovery.fake('b').slow('soon' as never)).toThrow('slow');
  });
});

describe('toHaveBeenCalledThrough()', () => {
  it('finds a request by its service and fields', async () => {
    const discovery = createTestingDiscovery();
    discovery.fake('user-service');
    discovery.fake('order-service');
    expect(discovery).not.toHaveBeenCalledThrough('user-service');
    const communicator = await communicatorOf(discovery);
    await communicator.callService('user-service', { method: 'PUT', path: '/users/1', json: { name: 'Ada', age: 36 } });
    expect(discovery).toHaveBeenCalledThrough('user-service');
    const body = expect.objectContaining({ name: 'Ada' });
    expect(discovery).toHaveBeenCalledThrough('user-service', { method: 'PUT', path: '/users/1', body });
    expect(discovery).not.toHaveBeenCalledThrough('user-service', { path: '/users/2' });
    expect(discovery).not.toHaveBeenCalledThrough('order-service');
  });

  it('shows which requests there were', async () => {
    const discovery = createTestingDiscovery();
    const failure = (expected?: ExpectedRequest) => () =>
      expect(discovery).toHaveBeenCalledThrough('user-service', expected);
    expect(failure()).toThrow('no fake service received a request');
    discovery.fake('user-service');
    await get(await communicatorOf(discovery), '/users/2');
    expect(failure({ path: '/users/1' })).toThrow(
      'expected "user-service" to have been called with {"path":"/users/1"}, ' +
        'and these requests were received:\n  GET /users/2 by user-service-1',
    );
    expect(() => expect(discovery).not.toHaveBeenCalledThrough('user-service')).toThrow('not to have been called');
    expect(() => expect({}).toHaveBeenCalledThrough('user-service')).toThrow('createTestingDiscovery(…)');
  });
});
