import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../testing/manual-clock.js';
import { ForgottenHooks } from './forgotten-hooks.js';

const KEY = { serviceName: 'users', instanceId: 'a' };
const WARNING =
  'users will not deregister at SIGTERM or SIGINT, since nothing handles them: ' +
  'its callers would find out by failing. Call app.enableShutdownHooks()';

let clock: ManualClock;
let signals: EventEmitter;
let warnings: unknown[];
let hooks: ForgottenHooks;

beforeEach(() => {
  clock = new ManualClock();
  signals = new EventEmitter();
  warnings = [];
  const logger = { warn: (message: unknown) => void warnings.push(message) };
  hooks = new ForgottenHooks({ clock, logger, signals });
});

describe('an app that has registered', () => {
  it('is warned once if nothing handles the signals that end it', () => {
    hooks.registered(KEY);
    clock.advance(5_000);
    hooks.registered({ ...KEY, serviceName: 'orders' });
    clock.advance(4_999);
    expect(warnings).toEqual([]);
    clock.advance(3_600_000);
    expect(warnings).toEqual([WARNING]);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each(['SIGTERM', 'SIGINT'])(
    'is not warned if a listener handles %s, even one added after registration',
    (signal) => {
      hooks.registered(KEY);
      clock.advance(9_999);
      signals.on(signal, () => undefined);
      clock.advance(3_600_000);
      expect(warnings).toEqual([]);
    },
  );

  it('is not warned when it has ended before', () => {
    hooks.registered(KEY);
    hooks.close();
    expect(clock.pendingTimers).toBe(0);
    clock.advance(3_600_000);
    expect(warnings).toEqual([]);
  });
});

it('does not warn an app that registers nothing', () => {
  clock.advance(3_600_000);
  expect(warnings).toEqual([]);
});
