import { describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from './errors.js';
import {
  boolean,
  count,
  custom,
  derived,
  duration,
  type GivenOptionsOf,
  group,
  number,
  oneOf,
  OptionGroup,
  optional,
  type OptionsOf,
  orFalse,
} from './option-group.js';

const BUDGET = new OptionGroup('budget', { ratio: number({ default: 0.2, min: 0, max: 10 }) });

const OPTIONS = new OptionGroup(
  'retry',
  {
    attempts: count({ default: 3, min: 1, max: 20 }),
    delay: duration({ default: '1s', maxMs: 60_000 }),
    most: derived(count({ min: 1 })),
    wait: optional(duration({ minMs: 1 })),
    jitter: oneOf(['full', 'none'], { default: 'full' }),
    enabled: boolean({ default: true }),
    rate: orFalse(number({ min: 0, max: 1 })),
    budget: orFalse(group(BUDGET)),
    statuses: custom<number[]>({
      default: [503],
      range: 'a list',
      read: (value, path, check) => {
        if (!Array.isArray(value)) check.problem(path, value, 'a list');
        return value as number[];
      },
    }),
  },
  (resolved, given, check) => {
    resolved.most ??= resolved.attempts * 2;
    if (resolved.most < resolved.attempts) check.problem('most', given.most, 'at least attempts');
  },
);
type Options = OptionsOf<typeof OPTIONS>;

const DEFAULTS = {
  attempts: 3,
  delay: 1_000,
  most: 6,
  jitter: 'full',
  enabled: true,
  rate: false,
  budget: { ratio: 0.2 },
  statuses: [503],
};

const messageOf = (resolve: () => unknown): string => {
  try {
    resolve();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    return (error as Error).message;
  }
  return 'nothing was thrown';
};

describe('OptionGroup', () => {
  it('fills in the defaults, and leaves out an optional option that is not given', () => {
    expect(OPTIONS.resolve()).toEqual(DEFAULTS);
    expect(OPTIONS.resolve({ attempts: undefined })).toEqual(DEFAULTS);
    expect(OPTIONS.resolve({ wait: '2s', attempts: 4 })).toEqual({ ...DEFAULTS, wait: 2_000, attempts: 4, most: 8 });
  });

  it('turns off what takes false', () => {
    expect(OPTIONS.resolve({ rate: 0.5, budget: false })).toEqual({ ...DEFAULTS, rate: 0.5, budget: false });
  });

  it('takes its own result again, with durations below 100 ms', () => {
    const resolved = OPTIONS.resolve({ delay: '50ms' });
    expect(OPTIONS.resolve(resolved)).toEqual(resolved);
    expect(messageOf(() => OPTIONS.resolve({ delay: 50 }))).toContain("write '50ms' or '50s'");
  });

  it.each<[Partial<Options>, RegExp]>([
    [{ attempts: 0 }, /retry\.attempts: expected a whole number from 1 to 20, but got 0/],
    [{ attempts: 1.5 }, /retry\.attempts: expected a whole number/],
    [{ delay: '2m' }, /retry\.delay: expected a duration from 0ms to 1m/],
    [{ jitter: 'ful' as never }, /retry\.jitter: expected one of "full", "none", but got "ful"/],
    [{ enabled: 1 as never }, /retry\.enabled: expected true or false/],
    [{ rate: 2 }, /retry\.rate: expected a number from 0 to 1/],
    [{ budget: { ratio: -1 } }, /retry\.budget\.ratio: expected a number from 0 to 10/],
    [{ budget: { raito: 1 } as never }, /retry\.budget\.raito: .*did you mean "ratio"/],
    [{ statuses: 503 as never }, /retry\.statuses: expected a list/],
    [{ most: 1 }, /retry\.most: expected at least attempts, but got 1/],
    [{ attempt: 3 } as Partial<Options>, /retry\.attempt: .*did you mean "attempts"/],
    ['3' as never, /retry: expected an object of options/],
  ])('refuses %j', (given, message) => {
    expect(messageOf(() => OPTIONS.resolve(given))).toMatch(message);
  });

  it('names every wrong option in one error, under the path it is told', () => {
    const message = messageOf(() => OPTIONS.resolve({ attempts: 0, rate: 2 }, 'clients.users.retry'));
    expect(message).toMatch(/clients\.users\.retry\.attempts: .*\n.*clients\.users\.retry\.rate: /);
  });

  it('asks for an option without a default, and does not judge what depends on it', () => {
    const limits = new OptionGroup('limit', { rate: number({ min: 1 }) }, ({ rate }, _, check) => {
      if (rate > 5) check.problem('rate', rate, 'at most 5');
    });
    const given: GivenOptionsOf<typeof limits> = { rate: 2 };
    expect(limits.resolve(given)).toEqual({ rate: 2 });
    expect(messageOf(() => limits.resolve())).toMatch(/limit\.rate: expected a number of 1 or more, but got nothing/);
  });

  it('knows the names, defaults and ranges', () => {
    expect(OPTIONS.names).toContain('wait');
    expect(OPTIONS.defaults).toMatchObject({ attempts: 3, delay: '1s' });
    const ranges = Object.entries(OPTIONS.options).map(([name, { range }]) => `${name} ${range}`);
    expect(ranges).toEqual([
      'attempts 1–20',
      'delay 0–1 min',
      'most 1 or more',
      'wait 1 ms or more',
      'jitter `full`, `none`',
      'enabled `true`, `false`',
      'rate 0–1 or `false`',
      'budget options or `false`',
      'statuses a list',
    ]);
  });
});
