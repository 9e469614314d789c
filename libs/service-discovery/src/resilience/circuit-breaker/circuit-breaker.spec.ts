import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  BulkheadFullError,
  CircuitOpenError,
  DeadlineExceededError,
  type InvalidConfigurationError,
  type OutcomeClass,
  ResponseStatusError,
  sleep,
} from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type CircuitBreakerOptions } from './circuit-breaker-options.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { type CircuitStateChange, reportCircuit } from './circuit-view.js';
import { type CircuitPermit } from './circuit-permits.js';
import { ResiliencePolicy } from '../pipeline/resilience-policy.js';

const OPTIONS = {
  failureThreshold: 3,
  window: '60s',
  recoveryTimeout: '30s',
  halfOpenPermits: 1,
  successThreshold: 1,
} satisfies Partial<CircuitBreakerOptions>;
const RECOVERY_MS = 30_000;
const failing = (): Promise<never> => Promise.reject(new Error('down'));
const hanging = (): Promise<never> => new Promise(() => undefined);

describe('CircuitBreaker', () => {
  let clock: ManualClock;
  let changes: CircuitStateChange[];
  let breaker: CircuitBreaker;

  const createBreaker = (options: Partial<CircuitBreakerOptions> = {}): CircuitBreaker => {
    changes = [];
    const onStateChange = (change: CircuitStateChange): void => void changes.push(change);
    return new CircuitBreaker({ ...OPTIONS, ...options }, { clock, onStateChange });
  };
  const acquire = (): CircuitPermit => {
    const permit = breaker.tryAcquire();
    if (!permit) throw new Error('the circuit refused the call');
    return permit;
  };
  const settle = (...outcomes: OutcomeClass[]): void => outcomes.forEach((outcome) => acquire().settle(outcome));
  const open = (): void => {
    while (breaker.state === 'closed') settle('failure');
  };
  const openAndRecover = (): void => {
    open();
    clock.advance(RECOVERY_MS);
  };
  const steps = (): string[] => changes.map(({ from, to }) => `${from} → ${to}`);

  beforeEach(() => {
    clock = new ManualClock();
    breaker = createBreaker();
  });

  describe('while closed', () => {
    it('opens at the threshold of consecutive failures, not before', () => {
      settle('failure', 'retryable');
      expect([breaker.state, breaker.failures]).toEqual(['closed', 2]);
      settle('failure');
      expect(breaker.state).toBe('open');
      expect(changes).toEqual([
        { from: 'closed', to: 'open', reason: 'consecutive_failures', failures: 3, retryAfterMs: RECOVERY_MS },
      ]);
    });

    it('counts from nothing again after a success', () => {
      settle('failure', 'failure', 'success', 'failure', 'failure');
      expect([breaker.state, breaker.failures]).toEqual(['closed', 2]);
    });

    it('lets any number of calls run at once', () => {
      expect(Array.from({ length: 100 }, () => breaker.tryAcquire()).every(Boolean)).toBe(true);
    });

    it('counts the outcome of a call once, however often its permit is settled', () => {
      const permit = acquire();
      for (let told = 0; told < 5; told++) permit.settle('failure');
      expect(breaker.failures).toBe(1);
    });

    it('an idle hour leaves no stale sample', () => {
      settle('failure', 'failure');
      clock.advance(3_600_000);
      expect(breaker.failures).toBe(0);
      settle('failure');
      expect([breaker.state, breaker.failures]).toEqual(['closed', 1]);
    });

    it('counts only the failures that lie within one window', () => {
      settle('failure');
      clock.advance(40_000);
      settle('failure');
      clock.advance(20_000);
      settle('failure');
      expect([breaker.state, breaker.failures]).toEqual(['closed', 2]);
      clock.advance(40_000);
      settle('failure');
      expect([breaker.state, breaker.failures]).toEqual(['closed', 2]);
      settle('failure');
      expect(breaker.state).toBe('open');
    });
  });

  describe('while open', () => {
    it('refuses calls until the recovery time is over, and says how long that is', () => {
      open();
      expect([breaker.canAcquire(), breaker.tryAcquire(), breaker.retryAfterMs]).toEqual([false, null, RECOVERY_MS]);
      clock.advance(RECOVERY_MS - 1);
      expect([breaker.canAcquire(), breaker.tryAcquire(), breaker.retryAfterMs]).toEqual([false, null, 1]);
      clock.advance(1);
      expect([breaker.canAcquire(), breaker.retryAfterMs]).toEqual([true, 0]);
      clock.advance(3_600_000);
      expect(breaker.retryAfterMs).toBe(0);
    });

    it('stays open until the next call asks, without a timer', () => {
      openAndRecover();
      expect([breaker.state, breaker.canAcquire(), breaker.state]).toEqual(['open', true, 'open']);
      acquire();
      expect(breaker.state).toBe('half_open');
      expect(clock.pendingTimers).toBe(0);
    });

    it('does not open for longer when calls from before end in failure', () => {
      const before = acquire();
      open();
      clock.advance(10_000);
      before.settle('failure');
      expect(breaker.retryAfterMs).toBe(RECOVERY_MS - 10_000);
      expect(breaker.failures).toBe(3);
    });
  });

  describe('while half open', () => {
    it('closes when a probe succeeds and forgets the failures', () => {
      openAndRecover();
      settle('success');
      expect([breaker.state, breaker.failures, breaker.retryAfterMs]).toEqual(['closed', 0, undefined]);
      expect(steps()).toEqual(['closed → open', 'open → half_open', 'half_open → closed']);
    });

    it.each(['failure', 'retryable'] as const)('opens for the whole recovery time again at a %s', (outcome) => {
      openAndRecover();
      clock.advance(5_000);
      settle(outcome);
      expect([breaker.state, breaker.retryAfterMs]).toEqual(['open', RECOVERY_MS]);
    });

    it('is half open right after halfOpen()', () => {
      open();
      breaker.halfOpen();
      expect([breaker.state, breaker.canAcquire()]).toEqual(['half_open', true]);
      expect(changes.at(-1)).toMatchObject({ to: 'half_open', reason: 'recovered' });
      settle('success');
      expect(breaker.state).toBe('closed');
    });

    it('admits a new probe after halfOpen(), and ignores the outcomes of earlier probes', () => {
      openAndRecover();
      const stuck = acquire();
      expect(breaker.canAcquire()).toBe(false);
      breaker.halfOpen();
      const probe = acquire();
      stuck.settle('failure');
      expect(breaker.state).toBe('half_open');
      probe.settle('success');
      expect(breaker.state).toBe('closed');
      expect(steps()).toEqual(['closed → open', 'open → half_open', 'half_open → closed']);
    });

    it('does not become half open when it is closed or forced', () => {
      breaker.halfOpen();
      expect(breaker.state).toBe('closed');
      breaker.isolate();
      breaker.halfOpen();
      expect(breaker.state).toBe('isolated');
      expect(steps()).toEqual(['closed → isolated']);
    });

    it('closes only after as many successes in a row as asked for', () => {
      breaker = createBreaker({ successThreshold: 3 });
      openAndRecover();
      settle('success', 'success');
      expect(breaker.state).toBe('half_open');
      settle('failure');
      clock.advance(RECOVERY_MS);
      settle('success', 'success');
      expect(breaker.state).toBe('half_open');
      settle('success');
      expect(breaker.state).toBe('closed');
    });

    it('closes after as many successes as asked for, while fewer probes fail than the share that opens it', () => {
      breaker = createBreaker({ halfOpenPermits: 10, successThreshold: 8, halfOpenFailureRate: 0.25 });
      openAndRecover();
      settle('success', 'failure', 'success', 'failure', ...Array<OutcomeClass>(5).fill('success'));
      expect(breaker.state).toBe('half_open');
      settle('success');
      expect(breaker.state).toBe('closed');
    });

    it('opens again as soon as the share of failed probes is certain to be reached', () => {
      breaker = createBreaker({ halfOpenPermits: 10, successThreshold: 8, halfOpenFailureRate: 0.25 });
      openAndRecover();
      settle('success', 'failure', 'failure');
      expect(breaker.state).toBe('half_open');
      settle('failure');
      expect(changes.at(-1)).toMatchObject({ to: 'open', reason: 'probe_failed' });
      // The next half-open time begins with nothing counted.
      clock.advance(RECOVERY_MS);
      settle('failure', 'failure');
      expect(breaker.state).toBe('half_open');
    });

    it('a call begun before the circuit opened does not change half-open', () => {
      const [succeeds, fails] = [acquire(), acquire()];
      openAndRecover();
      const probe = acquire();
      succeeds.settle('success');
      expect(breaker.state).toBe('half_open');
      fails.settle('failure');
      expect([breaker.state, breaker.canAcquire()]).toEqual(['half_open', false]);
      probe.settle('success');
      expect(breaker.state).toBe('closed');
    });

    it('is not changed by a probe of an earlier half-open time', () => {
      breaker = createBreaker({ halfOpenPermits: 2 });
      openAndRecover();
      const straggler = acquire();
      settle('failure');
      clock.advance(RECOVERY_MS);
      const probe = acquire();
      straggler.settle('success');
      expect(breaker.state).toBe('half_open');
      probe.settle('failure');
      expect(breaker.state).toBe('open');
    });

    it('half-open probes never exceed the permit count', () => {
      breaker = createBreaker({ halfOpenPermits: 3, successThreshold: 100 });
      openAndRecover();
      const burst = (): CircuitPermit[] =>
        Array.from({ length: 20 }, () => breaker.tryAcquire()).filter((permit) => permit !== null);
      const first = burst();
      expect(first).toHaveLength(3);
      first[1]?.settle('success');
      first[1]?.settle('success');
      expect(burst()).toHaveLength(1);
      first[0]?.settle('ignored');
      first[2]?.settle('success');
      expect(burst()).toHaveLength(2);
    });

    it('half-open probes never exceed the permit count, however many callers race', async () => {
      breaker = createBreaker({ halfOpenPermits: 2, successThreshold: 1_000 });
      openAndRecover();
      let running = 0;
      let most = 0;
      const probe = async (): Promise<void> => {
        most = Math.max(most, ++running);
        await sleep(clock, 10);
        running--;
      };
      let done = 0;
      let refused = 0;
      for (let round = 0; round < 10; round++) {
        const calls = Array.from({ length: 10 }, () => breaker.execute(probe));
        const results = Promise.allSettled(calls);
        await clock.advanceAsync(10);
        const fulfilled = (await results).filter(({ status }) => status === 'fulfilled').length;
        done += fulfilled;
        refused += calls.length - fulfilled;
      }
      expect({ most, done, refused }).toEqual({ most: 2, done: 20, refused: 80 });
    });

    it('a hung probe frees its permit', async () => {
      openAndRecover();
      const hung = breaker.execute(hanging);
      clock.advance(10_000);
      expect([breaker.canAcquire(), breaker.retryAfterMs]).toEqual([false, RECOVERY_MS - 10_000]);
      clock.advance(RECOVERY_MS - 10_000);
      expect([breaker.canAcquire(), breaker.retryAfterMs]).toEqual([true, undefined]);
      await expect(breaker.execute(() => Promise.resolve('up'))).resolves.toBe('up');
      expect(breaker.state).toBe('closed');
      void hung;
    });

    it('still counts a hung probe that ends after all', () => {
      openAndRecover();
      const hung = acquire();
      clock.advance(RECOVERY_MS);
      acquire();
      hung.settle('failure');
      expect(breaker.state).toBe('open');
    });

    it('frees no permit but its own with a hung probe that ends after all', () => {
      openAndRecover();
      const hung = acquire();
      clock.advance(RECOVERY_MS);
      acquire();
      hung.settle('ignored');
      expect([breaker.canAcquire(), breaker.snapshot().probes]).toEqual([false, 1]);
      clock.advance(RECOVERY_MS);
      expect(breaker.snapshot().probes).toBe(0);
    });

    it('frees the permit of a probe that its caller aborts, though the function hangs', async () => {
      openAndRecover();
      const controller = new AbortController();
      const probe = breaker.execute(hanging, controller.signal);
      expect(breaker.canAcquire()).toBe(false);
      controller.abort();
      await expect(probe).rejects.toBe(controller.signal.reason);
      expect([breaker.state, breaker.canAcquire()]).toEqual(['half_open', true]);
    });

    it('a filtered error resolves the probe', async () => {
      const filtered = new Error('not a fault');
      breaker = new CircuitBreaker(OPTIONS, {
        clock,
        classify: (error) => (error === filtered ? 'ignored' : 'failure'),
      });
      openAndRecover();
      await expect(breaker.execute(() => Promise.reject(filtered))).rejects.toBe(filtered);
      expect([breaker.state, breaker.canAcquire()]).toEqual(['half_open', true]);
    });

    it('closes when a probe ends in an error that is the answer of a working callee', async () => {
      openAndRecover();
      const notFound = new ResponseStatusError(404, {}, undefined);
      await expect(breaker.execute(() => Promise.reject(notFound))).rejects.toBe(notFound);
      expect(breaker.state).toBe('closed');
    });
  });

  describe('executing a function', () => {
    it('hands on its result and its arguments', async () => {
      const { signal } = new AbortController();
      await expect(breaker.execute((given) => Promise.resolve(given), signal)).resolves.toBe(signal);
      await expect(breaker.execute((given) => Promise.resolve(given))).resolves.toBeUndefined();
    });

    it('counts errors, including synchronous ones', async () => {
      await expect(breaker.execute(failing)).rejects.toThrow('down');
      const throwing = (): never => {
        throw new Error('at once');
      };
      await expect(breaker.execute(throwing)).rejects.toThrow('at once');
      expect(breaker.failures).toBe(2);
    });

    it.each([
      ['without a signal', undefined],
      ['with a signal', new AbortController().signal],
    ])('takes a value in place of a promise, and an error that is thrown at once, %s', async (_how, signal) => {
      expect(await breaker.execute(() => 'up', signal)).toBe('up');
      const down = (): never => {
        throw new Error('down');
      };
      await expect(breaker.execute(down, signal)).rejects.toThrow('down');
      expect([breaker.state, breaker.failures]).toEqual(['closed', 1]);
    });

    it('does not call it while open, and says when to try again', async () => {
      breaker = new CircuitBreaker(OPTIONS, { clock, name: 'users' });
      open();
      clock.advance(12_000);
      let called = false;
      const error: unknown = await breaker.execute(async () => void (called = true)).catch((thrown: unknown) => thrown);
      expect(called).toBe(false);
      expect(error).toBeInstanceOf(CircuitOpenError);
      expect(error).toMatchObject({ code: 'CIRCUIT_OPEN', service: 'users', retryAfterMs: 18_000 });
      expect((error as Error).message).toBe(
        'The circuit of "users" is open after too many failures. Try again in 18 s, and find out why calls fail. See nest-service-discovery/docs/reference/errors.md#CIRCUIT_OPEN',
      );
    });

    it('does not call it when the caller has aborted already, and takes no permit', async () => {
      openAndRecover();
      let called = false;
      const signal = AbortSignal.abort(new Error('gone'));
      await expect(breaker.execute(async () => void (called = true), signal)).rejects.toThrow('gone');
      expect([called, breaker.state]).toEqual([false, 'open']);
    });

    it("a caller's abort and a bulkhead rejection are neither success nor failure", async () => {
      const full = new BulkheadFullError({ limit: 1, queue: 0 });
      settle('failure', 'failure');
      for (const reason of [undefined, new Error('the user left'), 'a text']) {
        const controller = new AbortController();
        const call = breaker.execute(hanging, controller.signal);
        controller.abort(reason);
        await expect(call).rejects.toBe(controller.signal.reason);
        await expect(breaker.execute(() => Promise.reject(full))).rejects.toBe(full);
      }
      expect([breaker.state, breaker.failures]).toEqual(['closed', 2]);
      openAndRecover();
      await expect(breaker.execute(() => Promise.reject(full))).rejects.toBe(full);
      expect([breaker.state, breaker.canAcquire()]).toEqual(['half_open', true]);
    });

    it('reports the wait in whole milliseconds, rounded up', async () => {
      const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeout: '1s' }, { clock });
      await expect(breaker.execute(() => Promise.reject(new Error('down')))).rejects.toThrow('down');
      clock.advance(0.25);
      expect(breaker.refusal()).toMatchObject({ retryAfterMs: 1_000, message: expect.stringContaining('in 1 s') });
    });

    it('retry on the open circuit carries retryAfterMs', async () => {
      const retry = { maxAttempts: 5, baseDelay: 0, jitter: 'none' } as const;
      const circuitBreaker = { failureThreshold: 2, recoveryTimeout: RECOVERY_MS };
      const policy = new ResiliencePolicy({ retry, circuitBreaker }, { clock });
      await expect(policy.execute(failing)).rejects.toMatchObject({
        code: 'CIRCUIT_OPEN',
        attempts: 2,
        retryAfterMs: RECOVERY_MS,
      });
    });

    it('takes a deadline that passed for a failure', async () => {
      const controller = new AbortController();
      const call = breaker.execute(hanging, controller.signal);
      controller.abort(new DeadlineExceededError(100));
      await expect(call).rejects.toThrow(DeadlineExceededError);
      expect(breaker.failures).toBe(1);
    });
  });

  describe('by hand', () => {
    it('is isolated until it is reset, with no time to try again', () => {
      breaker.isolate();
      clock.advance(86_400_000);
      expect([breaker.state, breaker.canAcquire(), breaker.tryAcquire()]).toEqual(['isolated', false, null]);
      expect(breaker.retryAfterMs).toBeUndefined();
      expect(breaker.refusal().message).toBe(
        'The circuit was opened by hand. Set it to automatic when calls may go there again. See nest-service-discovery/docs/reference/errors.md#CIRCUIT_OPEN',
      );
      expect(breaker.refusal().retryAfterMs).toBeUndefined();
      breaker.reset();
      expect([breaker.state, breaker.canAcquire()]).toEqual(['closed', true]);
    });

    it('isolate twice opens once', () => {
      breaker.isolate();
      breaker.isolate();
      expect(steps()).toEqual(['closed → isolated']);
      breaker.reset();
      breaker.reset();
      expect(steps()).toEqual(['closed → isolated', 'isolated → closed']);
    });

    it('stays isolated whatever calls under way come to', () => {
      const calls = [acquire(), acquire(), acquire(), acquire()];
      breaker.isolate();
      calls.forEach((call, index) => call.settle(index === 0 ? 'success' : 'failure'));
      expect(breaker.state).toBe('isolated');
    });

    it('lets every call through while it is forced closed, however they end', () => {
      open();
      breaker.force('closed');
      expect([breaker.state, breaker.forced, breaker.retryAfterMs]).toEqual(['closed', 'closed', undefined]);
      settle('failure', 'failure', 'failure', 'failure');
      expect([breaker.state, breaker.failures]).toEqual(['closed', 0]);
      breaker.reset();
      expect(breaker.forced).toBeUndefined();
      settle('failure', 'failure', 'failure');
      expect(breaker.state).toBe('open');
      expect(changes.map(({ reason }) => reason)).toEqual([
        'consecutive_failures',
        'forced_closed',
        'consecutive_failures',
      ]);
    });

    it('shows the latest forced state', () => {
      breaker.isolate();
      expect(breaker.forced).toBe('isolated');
      breaker.force('closed');
      expect([breaker.state, breaker.forced, breaker.canAcquire()]).toEqual(['closed', 'closed', true]);
      breaker.force('isolated');
      expect([breaker.state, breaker.forced, breaker.canAcquire()]).toEqual(['isolated', 'isolated', false]);
      expect(steps()).toEqual(['closed → isolated', 'isolated → closed', 'closed → isolated']);
    });

    it('does not count calls from before it was reset or forced', () => {
      breaker = createBreaker({ failureThreshold: 1 });
      const before = [acquire(), acquire()];
      breaker.reset();
      before[0]?.settle('failure');
      breaker.force('closed');
      const during = acquire();
      breaker.reset();
      before[1]?.settle('failure');
      during.settle('failure');
      expect([breaker.state, breaker.failures]).toEqual(['closed', 0]);
    });

    it('forgets the failures of a closed circuit when reset', () => {
      settle('failure', 'failure');
      breaker.reset();
      settle('failure', 'failure');
      expect([breaker.state, breaker.failures]).toEqual(['closed', 2]);
    });
  });

  describe('the time', () => {
    let looks: number;

    beforeEach(() => {
      const { now } = clock;
      clock.now = () => (looks++, now.call(clock));
      looks = 0;
    });

    it('is not read while calls succeed and no rate counts them', () => {
      breaker = createBreaker();
      looks = 0;
      settle('success', 'ignored', 'success');
      expect([breaker.canAcquire(), looks]).toEqual([true, 0]);
    });

    it('is asked for during the ramp, and no more after it', () => {
      breaker = createBreaker({ ramp: 1_000 });
      openAndRecover();
      settle('success');
      clock.advance(500);
      looks = 0;
      expect([breaker.canAcquire(), looks]).toEqual([true, 1]);
      clock.advance(500);
      expect([breaker.canAcquire(), breaker.canAcquire(), looks]).toEqual([true, true, 2]);
    });

    it('is not read when the caller passes the time', () => {
      breaker = createBreaker({ slowCallRate: 1, slowCallDuration: 100, minimumCalls: 2, failureThreshold: false });
      looks = 0;
      breaker.tryAcquire(1_000)?.settle('success', 1_099);
      breaker.tryAcquire(2_000)?.settle('success', 2_100);
      expect(looks).toBe(0);
      expect(breaker.snapshot().window).toMatchObject({ calls: 2, slow: 1 });
    });

    it('of the change is that of the call with which it came', () => {
      breaker = createBreaker({ failureThreshold: 1 });
      clock.advance(1_100);
      breaker.tryAcquire(1_000)?.settle('failure', 1_050);
      expect(breaker.snapshot()).toMatchObject({ stateAgeMs: 50, retryAfterMs: RECOVERY_MS - 50 });
      expect(breaker.tryAcquire(1_049 + RECOVERY_MS)).toBeNull();
      expect(breaker.tryAcquire(1_050 + RECOVERY_MS)).not.toBeNull();
    });
  });

  it('works even if its listener throws', () => {
    breaker = new CircuitBreaker(OPTIONS, {
      clock,
      onStateChange: () => {
        throw new Error('listener');
      },
    });
    open();
    expect(breaker.state).toBe('open');
  });

  it('is in the new state when the listener is called', () => {
    const heard: string[] = [];
    breaker = new CircuitBreaker(OPTIONS, { clock, onStateChange: () => heard.push(breaker.state) });
    openAndRecover();
    settle('success');
    expect(heard).toEqual(['open', 'half_open', 'closed']);
  });

  it('takes seconds and texts, fills in defaults and names every wrong option at once', () => {
    expect(() => new CircuitBreaker()).not.toThrow();
    const wrong = {
      failureThreshold: 0,
      window: '-1s',
      recoveryTimeout: 'soon' as never,
      halfOpenPermits: 1.5,
    } as const;
    let problems: readonly { path: string }[] = [];
    try {
      new CircuitBreaker(wrong);
    } catch (error) {
      problems = (error as InvalidConfigurationError).problems;
    }
    expect(problems.map(({ path }) => path)).toEqual(
      ['failureThreshold', 'window', 'recoveryTimeout', 'halfOpenPermits'].map((name) => `circuitBreaker.${name}`),
    );
  });
});

describe('reportCircuit', () => {
  const eventsOf = (act: (breaker: CircuitBreaker, clock: ManualClock) => void): unknown[] => {
    const clock = new ManualClock();
    const events: unknown[] = [];
    const sink = { emit: (type: string, payload: object) => void events.push({ type, ...payload }) };
    const onStateChange = reportCircuit(sink, { service: 'users', instanceId: 'a' });
    act(new CircuitBreaker({ failureThreshold: 1, recoveryTimeout: 1_000 }, { clock, onStateChange }), clock);
    return events;
  };
  const subject = { service: 'users', instanceId: 'a' };

  it('reports opening, half-opening and closing', () => {
    const events = eventsOf((breaker, clock) => {
      breaker.tryAcquire()?.settle('failure');
      clock.advance(1_000);
      breaker.tryAcquire()?.settle('success');
    });
    expect(events).toEqual([
      { type: 'circuit.opened', ...subject, reason: 'consecutive_failures', failures: 1, retryAfterMs: 1_000 },
      { type: 'circuit.half_opened', ...subject, reason: 'recovery_time_over' },
      { type: 'circuit.closed', ...subject, reason: 'probes_succeeded' },
    ]);
  });

  it('reports an open circuit once, even if it is isolated afterwards', () => {
    const events = eventsOf((breaker) => {
      breaker.tryAcquire()?.settle('failure');
      breaker.isolate();
      breaker.isolate();
      breaker.reset();
      breaker.isolate();
    });
    expect(events).toEqual([
      { type: 'circuit.opened', ...subject, reason: 'consecutive_failures', failures: 1, retryAfterMs: 1_000 },
      { type: 'circuit.closed', ...subject, reason: 'reset' },
      { type: 'circuit.opened', ...subject, reason: 'isolated', failures: 0, retryAfterMs: undefined },
    ]);
  });
});

it('refuses to be forced to a state that it cannot be held at', () => {
  const breaker = new CircuitBreaker({}, { clock: new ManualClock() });
  expect(() => breaker.force('open' as never)).toThrow(/state: .*"isolated", "closed"/);
  expect(breaker.snapshot()).toMatchObject({ state: 'closed', forced: undefined });
});
