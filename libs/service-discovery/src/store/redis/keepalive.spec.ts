import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pendingInput } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { Keepalive } from './keepalive.js';

const SILENCE_MS = 1_000;

let clock: ManualClock;
let asked: number;
let answers: (() => void)[];
let silences: number[];
let keepalive: Keepalive;

beforeEach(() => {
  clock = new ManualClock();
  asked = 0;
  answers = [];
  silences = [];
  keepalive = new Keepalive({
    clock,
    timeoutMs: 2 * SILENCE_MS,
    ask: () => {
      asked += 1;
      return new Promise<void>((resolve) => answers.push(resolve));
    },
    onSilence: () => silences.push(clock.now()),
  });
});
afterEach(() => {
  keepalive.stop();
  expect(clock.pendingTimers).toBe(0);
});

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await pendingInput();
}

describe('Keepalive', () => {
  it('asks after a silence, and gives up after another one', async () => {
    await pass(SILENCE_MS - 1);
    expect(asked).toBe(0);
    await pass(1);
    expect(asked).toBe(1);
    await pass(SILENCE_MS - 1);
    expect(silences).toEqual([]);
    await pass(1);
    expect(silences).toEqual([2 * SILENCE_MS]);
  });

  it('notices an end right after a sign of life within twice the silence', async () => {
    await pass(700);
    keepalive.received();
    await pass(SILENCE_MS);
    await pass(SILENCE_MS);
    expect(silences).toEqual([700 + 2 * SILENCE_MS]);
  });

  it('does not ask while data arrives', async () => {
    for (let round = 0; round < 10; round++) {
      await pass(SILENCE_MS - 1);
      keepalive.received();
    }
    expect(asked).toBe(0);
  });

  it('takes an answer or any other data for a sign of life', async () => {
    await pass(SILENCE_MS);
    answers[0]!();
    await pass(SILENCE_MS);
    await pass(SILENCE_MS);
    expect(asked).toBe(2);
    keepalive.received();
    await pass(SILENCE_MS);
    expect(silences).toEqual([]);
  });

  it('reads pending data before it gives up, since after a stall the answer may be unread', async () => {
    await pass(SILENCE_MS);
    clock.advance(60_000);
    answers[0]!();
    await pendingInput();
    expect(silences).toEqual([]);
  });

  it('allows as much time as round trips take, and asks sooner for it', async () => {
    const TIMEOUT_MS = 2 * SILENCE_MS;
    // As at the subscription, before the first ping.
    let subscribed: () => void = () => undefined;
    void keepalive.time(new Promise<void>((resolve) => (subscribed = resolve)));
    const roundTrip = 0.6 * TIMEOUT_MS;
    await pass(SILENCE_MS);
    expect(asked).toBe(1);
    await pass(roundTrip - SILENCE_MS);
    subscribed();
    await pass(SILENCE_MS);
    answers[0]!();
    for (let round = 1; round < 10; round++) {
      await pass(TIMEOUT_MS / 10);
      await pass(TIMEOUT_MS / 10);
      expect(asked).toBe(round + 1);
      await pass(roundTrip);
      answers[round]!();
      await pass(TIMEOUT_MS);
    }
    expect(silences).toEqual([]);
  });

  it('does nothing after stop()', async () => {
    await pass(SILENCE_MS);
    clock.advance(SILENCE_MS);
    keepalive.stop();
    await pendingInput();
    expect(silences).toEqual([]);
  });
});
