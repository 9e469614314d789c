import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type EventName, type Rollout } from '../model/index.js';
import { FlakyRegistryStore } from '../testing/flaky-registry-store.js';
import { ManualClock } from '../testing/manual-clock.js';
import { RolloutDriver, type RolloutFigures } from './rollout-driver.js';
import { type RolloutOptions } from './rollout-options.js';
import { ServiceRegistry } from './service-registry.js';

const FINE: RolloutFigures = { attempts: 40, errors: 0, p99: 12 };
const PLAN: RolloutOptions = { version: '2.x', steps: [5, 25, 100], stepDuration: '1m', maxP99: '100ms' };

describe('a driver of rollouts', () => {
  let clock: ManualClock;
  let store: FlakyRegistryStore;
  let registry: ServiceRegistry;
  let figures: RolloutFigures;
  let told: [EventName, unknown][];
  let toClose: (() => Promise<void>)[];

  beforeEach(async () => {
    clock = new ManualClock();
    store = new FlakyRegistryStore(clock);
    figures = FINE;
    told = [];
    toClose = [];
    registry = await join();
  });
  afterEach(async () => {
    for (const close of toClose.reverse()) await close();
    await store.close();
  });

  const emit = (name: EventName, payload: object): void => void told.push([name, payload]);
  async function join(): Promise<ServiceRegistry> {
    const joined = new ServiceRegistry(store, {}, { clock, events: { emit } });
    await joined.start();
    toClose.push(() => joined.close());
    return joined;
  }
  function drive(tag: string, own = registry): RolloutDriver {
    const figuresOf = (): Promise<RolloutFigures> => Promise.resolve(figures);
    const driver = new RolloutDriver({ registry: own, clock, random: () => 0, events: { emit }, tag, figuresOf });
    driver.start();
    toClose.push(() => driver.close());
    return driver;
  }
  /** Second by second, with time for the writes of each. */
  async function pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      clock.advance(1_000);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    }
  }
  const now = (): Rollout => registry.splitOf('users')!.rollout!;
  const stateOf = ({ state, step, reason }: Rollout): unknown => [state, step, reason];
  const moves = (): unknown[] =>
    told
      .filter(([name]) => name === 'rollout.moved')
      .map(([, payload]) => Object.values(payload as Record<string, unknown>).slice(2));

  it('moves a version that does well step by step, each for its time', async () => {
    drive('a');
    await registry.startRollout('users', PLAN);
    await pass(59);
    expect(stateOf(now())).toEqual(['running', 0, undefined]);
    await pass(2);
    expect(stateOf(now())).toEqual(['running', 1, undefined]);
    await pass(60);
    expect(stateOf(now())).toEqual(['running', 2, undefined]);
    await pass(62);
    expect(stateOf(now())).toEqual(['completed', 2, undefined]);
    expect(moves()).toEqual([
      ['running', 5],
      ['running', 25, undefined],
      ['running', 100, undefined],
      ['completed', 100, undefined],
    ]);
  });

  it.each([
    ['of many attempts', { attempts: 100, errors: 6, p99: 1 }, '6 of 100 attempts failed, more than 5 %'],
    [
      'too many for the attempts that decide',
      { attempts: 2, errors: 2, p99: 1 },
      '2 of 2 attempts failed, more than 5 %',
    ],
    [
      'none, but it is slow',
      { attempts: 20, errors: 0, p99: 101 },
      'the p99 of 20 attempts is 101 ms, more than 100 ms',
    ],
  ] as const)('rolls a version back at any time by failures: %s', async (_name, bad, reason) => {
    drive('a');
    await registry.startRollout('users', PLAN);
    await pass(70);
    figures = bad;
    await pass(2);
    expect(stateOf(now())).toEqual(['rolled_back', 1, reason]);
    expect(moves().at(-1)).toEqual(['rolled_back', 0, reason]);
    figures = FINE;
    await pass(300);
    expect(now().state).toBe('rolled_back');
  });

  it('leaves a step only after enough attempts, and is not led by the latency of few', async () => {
    drive('a');
    await registry.startRollout('users', PLAN);
    figures = { attempts: 19, errors: 0, p99: 5_000 };
    await pass(300);
    expect(stateOf(now())).toEqual(['running', 0, undefined]);
    figures = { attempts: 20, errors: 1, p99: 100 };
    await pass(2);
    expect(now().step).toBe(1);
  });

  it('is replaced by another process where it shows no sign of life, and never before', async () => {
    const first = drive('a');
    const other = await join();
    drive('b', other);
    await registry.startRollout('users', { ...PLAN, stepDuration: '1h' });
    await pass(120);
    expect(now().driver).toBe('a');
    expect(told.some(([name]) => name === 'rollout.taken_over')).toBe(false);
    await first.close();
    await pass(9);
    expect(now().driver).toBe('a');
    await pass(8);
    expect(now().driver).toBe('b');
    expect(told).toContainEqual(['rollout.taken_over', { service: 'users', version: '2.x', from: 'a' }]);
    figures = { attempts: 100, errors: 100, p99: 1 };
    await pass(2);
    expect(now().state).toBe('rolled_back');
  });

  it('leaves a rollout that an operator aborts, and one that replaces it', async () => {
    drive('a');
    await registry.startRollout('users', PLAN);
    await expect(registry.startRollout('users', PLAN)).rejects.toThrow(
      'The rollout of "users" to 2.x is still running. Abort it before you start another',
    );
    await registry.endRollout('users', 'wrong build');
    await pass(120);
    expect(stateOf(now())).toEqual(['aborted', 0, 'wrong build']);
    await registry.startRollout('users', { ...PLAN, version: '3.x' });
    await pass(2);
    expect(now()).toMatchObject({ version: '3.x', driver: 'a' });
    await registry.endRollout('users');
    await registry.endRollout('users');
    expect(registry.splitOf('users')?.rollout).toBeUndefined();
    await expect(registry.endRollout('users')).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });

  it('keeps the share of a gateway', async () => {
    const via = { url: 'http://kong:8000', share: 20 };
    await registry.changeSplit('users', () => ({ via }));
    drive('a');
    await registry.startRollout('users', PLAN);
    await pass(62);
    await registry.setShare('users', 30);
    expect(registry.splitOf('users')).toMatchObject({ via: { share: 30 }, rollout: { step: 1 } });
  });

  it.each([
    [{ version: 'two' }, /not valid: version: /],
    [{ version: '2.x', steps: [5, 5, 100] }, /not valid: steps: /],
    [{ version: '2.x', steps: [5, 25] }, /not valid: steps: /],
    [{ version: '2.x', steps: [] }, /not valid: steps: /],
    [{ version: '2.x', stepDuration: 10 }, /not valid: stepDuration: /],
    [{ version: '2.x', maxErrorRate: 5 }, /not valid: maxErrorRate: /],
    [{ version: '2.x', minAttempts: 0 }, /not valid: minAttempts: /],
    [{ version: '2.x', pace: 1 }, /not valid: pace: /],
  ])('does not begin with %j', async (options, problem) => {
    await expect(registry.startRollout('users', options)).rejects.toThrow(problem);
  });
});
