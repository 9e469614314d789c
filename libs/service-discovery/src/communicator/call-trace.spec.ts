import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallFixture, failure, refused } from '../testing/call-fixture.js';
import { type ServiceCommunicator } from './communicator.js';

describe('trace()', () => {
  let stage: CallFixture;
  let printed: string[];
  const print = (text: string): void => void printed.push(text);
  const call = (communicator: ServiceCommunicator, path = '/users/1'): Promise<unknown> =>
    communicator.callServiceJson('users', { path });

  beforeEach(async () => {
    printed = [];
    stage = await CallFixture.open();
  });
  afterEach(async () => {
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  it('prints settings, instances, attempts and the failover of a call', async () => {
    await stage.register('a', 'b');
    await stage.registerOne({ instanceId: 'c', port: 8003 });
    await stage.registry.setStatus({ serviceName: 'users', instanceId: 'c' }, 'maintenance');
    stage.failOn('a', refused);
    const communicator = stage.communicatorWith({ timeout: '5s', loadBalancing: 'round_robin' });
    expect(await communicator.trace(() => call(communicator, '/users/1?token=secret'), print)).toEqual({ from: 'b' });
    expect(printed).toHaveLength(1);
    const [head, ...lines] = printed[0]!.split('\n');
    expect(head).toBe('GET /users/1 of users: 200 after 2 attempts, 0 ms');
    const decisions = lines.slice(lines.indexOf('  decisions') + 1).map((line) => line.trim());
    expect(decisions).toEqual([
      '+0 ms    attempt 1 to a at 127.0.0.1:8001 by round_robin; 5 s left',
      '+0 ms    attempt 1 failed: connect ECONNREFUSED',
      '+0 ms    retries with attempt 2 at once: TRANSPORT_FAILURE',
      '+0 ms    fails over from a to b: TRANSPORT_FAILURE',
      '+0 ms    attempt 2 to b at 127.0.0.1:8002 by round_robin; 5 s left',
      '+0 ms    attempt 2 was answered 200',
    ]);
    expect(lines).toContainEqual(expect.stringMatching(/^ {4}deadline +timeout 5 s/));
    expect(lines).toContainEqual(expect.stringMatching(/^ {4}retry .*maxAttempts 3/));
    expect(lines).toContainEqual(expect.stringMatching(/^ {4}b +unknown; may take the call$/));
    expect(lines).toContainEqual(expect.stringMatching(/^ {4}c +maintenance; skipped by the filter status: /));
  });

  it('prints the times of all settings with their units', async () => {
    await stage.register('a');
    const communicator = stage.communicatorWith({
      timeout: '90s',
      loadBalancing: { strategy: 'round_robin', slowStart: { window: '1m' } },
      retry: { baseDelay: '50ms' },
      hedging: { delay: '1.5s' },
      rateLimit: { rate: 5, per: '10s', maxWait: '2s' },
      bulkhead: { maxConcurrent: 5, maxQueue: 5, maxWait: '1s' },
      outlierDetection: {},
      circuitBreaker: { recoveryTimeout: '5m', window: { calls: 10, maxAge: '10m' } },
      serviceCircuitBreaker: {},
      lastGood: { maxAge: '1h' },
      throttling: {},
      adaptiveConcurrency: {},
    });
    await communicator.trace(() => call(communicator), print);
    const settings = printed[0]!.slice(0, printed[0]!.indexOf('  instances'));
    for (const set of [
      'deadline +timeout 90 s',
      'last_good .*maxAge 60 min',
      'rate_limit .*per 10 s, maxWait 2 s',
      'bulkhead .*maxWait 1 s',
      'retry .*baseDelay 50 ms, .*budget { .*window 10 s }',
      'hedging +delay 1.5 s',
      'load_balancing .*slowStart { .*window 60 s',
      'service_circuit_breaker .*recoveryTimeout 60 s',
      'circuit_breaker .*window { calls 10, maxAge 10 min }, recoveryTimeout 5 min',
    ]) {
      expect(settings).toMatch(new RegExp(`^ +${set}`, 'm'));
    }
    expect(
      settings.match(
        /\b(?:per|window|interval|maxAge|max[A-Z]\w*Time|\w+(?:Timeout|Delay|Wait)) [\d.]+\b(?! (?:ms|s|min|h)\b)/g,
      ),
    ).toBeNull();
  });

  it('says which stage refused a call, and which circuit is open', async () => {
    await stage.register('a');
    stage.failOn('a');
    const communicator = stage.communicatorWith({ retry: false, circuitBreaker: { failureThreshold: 1 } });
    await failure(call(communicator));
    await failure(communicator.trace(() => call(communicator), print));
    expect(printed[0]).toMatch(/^GET \/users\/1 of users: CIRCUIT_OPEN after 0 attempts/);
    expect(printed[0]).toMatch(/ {4}a +unknown, circuit open; skipped by the filter refusal: /);
    expect(printed[0]).toContain('passes over a: circuit_open');
    expect(printed[0]).toContain('refused by circuit_breaker: CIRCUIT_OPEN; another call may succeed in 60 s');
  });

  it('prints the step to a fallback, and each call', async () => {
    await stage.register('a');
    await stage.registerOne({ serviceName: 'backup', instanceId: 'z', port: 9000 });
    stage.failOn('a', refused);
    const communicator = stage.communicatorWith({ retry: false });
    const request = { primaryService: 'users', fallbackService: 'backup', path: '/' };
    await communicator.trace(() => communicator.callServiceWithFallback(request), print);
    expect(printed.map((text) => text.split('\n')[0])).toEqual([
      'GET / of users: TRANSPORT_FAILURE after 1 attempt, 0 ms',
      'fallback: fails over from users to backup: TRANSPORT_FAILURE',
      'GET / of backup: 200 after 1 attempt, 0 ms',
    ]);
  });

  it('prints calls of derived communicators, and none that are made outside of it', async () => {
    await stage.register('a');
    const communicator = stage.communicatorWith();
    const derived = communicator.withOptions({ timeout: '1s' });
    stage.transport.hold();
    const traced = communicator.trace(() => call(derived, '/inside'), print);
    const other = call(communicator, '/outside');
    for (let held = 0; held < 2; held++) (await stage.transport.nextHeld()).respond({ body: 1 });
    await Promise.all([traced, other]);
    stage.transport.answer(() => ({}));
    await call(communicator, '/afterwards');
    expect(printed.map((text) => text.split(' of ')[0])).toEqual(['GET /inside']);
  });

  it('changes no events', async () => {
    await stage.register('a', 'b');
    stage.failOn('a');
    const communicator = stage.communicatorWith({ loadBalancing: 'round_robin' });
    await communicator.trace(() => call(communicator), print);
    expect(stage.typesOf('call.')).toEqual([
      'call.picked',
      'call.retried',
      'call.picked',
      'call.failed_over',
      'call.completed',
    ]);
  });

  it('says so where no call was made, and passes on what the function returns or throws', async () => {
    const communicator = stage.communicatorWith();
    expect(await communicator.trace(() => 1, print)).toBe(1);
    expect(printed).toEqual(['trace: no call was made through this communicator or one derived from it']);
    const fault = new Error('own');
    const failing = communicator.trace(() => {
      throw fault;
    }, print);
    await expect(failing).rejects.toBe(fault);
  });
});
