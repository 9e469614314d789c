import { Held, unwatched } from '../support/held.js';
import { type Peer } from '../support/peer.js';
import { expectThat, part, type Scenario } from '../support/scenario.js';
import { type BreakerPart, type BreakerSettings } from './breaker-part.js';

const RECOVERY_MS = 5_000;
const FILTERED = new Error('filtered');

const down = (): Promise<never> => Promise.reject(new Error('down'));
const up = (): Promise<string> => Promise.resolve('up');

/** Runs a scenario on a new breaker. */
function onBreaker(
  name: string,
  fault: string,
  settings: Partial<BreakerSettings>,
  run: (breaker: BreakerPart) => Promise<void>,
): Scenario {
  return {
    name,
    fault,
    async run(peer: Peer): Promise<void> {
      const isFault = (error: Error): boolean => error !== FILTERED && error.name !== 'AbortError';
      const breaker = part(peer.breaker)({ recoveryMs: RECOVERY_MS, permits: 1, isFault, ...settings });
      try {
        await run(breaker);
      } finally {
        breaker.close();
      }
    },
  };
}

async function fail(breaker: BreakerPart, times: number): Promise<void> {
  for (let call = 0; call < times; call++) await breaker.call(down).catch(() => undefined);
}

async function open(breaker: BreakerPart): Promise<void> {
  for (let call = 0; call < 20 && breaker.state !== 'open'; call++) await fail(breaker, 1);
  expectThat(breaker.state === 'open', '20 failures in a row do not open it');
}

/** Opens it, and starts one probe. */
async function halfOpen(breaker: BreakerPart): Promise<Held> {
  await open(breaker);
  await breaker.advance(RECOVERY_MS);
  const probe = new Held();
  unwatched(breaker.call(probe.fn));
  await breaker.advance(0);
  expectThat(probe.running === 1 && breaker.state === 'half_open', 'no probe is let through after the recovery time');
  return probe;
}

/** Whether a call is let through now. */
async function letsThrough(breaker: BreakerPart): Promise<boolean> {
  let called = false;
  unwatched(
    breaker.call(async () => {
      called = true;
    }),
  );
  await breaker.advance(0);
  return called;
}

async function abortOne(breaker: BreakerPart): Promise<void> {
  const caller = new AbortController();
  const gone = new DOMException('the caller left', 'AbortError');
  const call = breaker.call(
    () => new Promise((_, reject) => caller.signal.addEventListener('abort', () => reject(gone))),
    caller.signal,
  );
  unwatched(call);
  await breaker.advance(0);
  caller.abort(gone);
  await breaker.advance(0);
}

export const breakerScenarios: readonly Scenario[] = [
  onBreaker(
    'an idle hour leaves no stale sample',
    'failures of an hour ago open the circuit at the next one',
    { rate: { share: 0.5, minimumCalls: 10, windowMs: 10_000 } },
    async (breaker) => {
      await fail(breaker, 9);
      expectThat(breaker.state === 'closed', '9 failures open it where it takes 10 calls');
      await breaker.advance(3_600_000);
      await fail(breaker, 1);
      expectThat(breaker.state === 'closed', 'one failure after an idle hour opens it');
      await fail(breaker, 9);
      expectThat(breaker.state === 'open', '10 failures at once do not open it');
    },
  ),
  onBreaker(
    'a call begun before the circuit opened does not change half-open',
    'a straggler from before the outage closes a half-open circuit, or opens it again',
    {},
    async (breaker) => {
      for (const end of ['succeed', 'fail'] as const) {
        const straggler = new Held();
        unwatched(breaker.call(straggler.fn));
        const probe = await halfOpen(breaker);
        straggler[end]();
        await breaker.advance(0);
        expectThat(
          breaker.state === 'half_open',
          `a straggler that ${end}s while a probe runs makes it ${breaker.state}`,
        );
        probe.succeed();
        await breaker.advance(0);
        expectThat(breaker.state === 'closed', 'a probe that succeeds does not close it');
      }
    },
  ),
  onBreaker(
    'a hung probe frees its permit',
    'a probe that never ends keeps the circuit shut for ever',
    {},
    async (breaker) => {
      await halfOpen(breaker);
      for (let step = 0; step < 10; step++) await breaker.advance(RECOVERY_MS);
      expectThat(await letsThrough(breaker), 'ten recovery times after a probe that hangs, no call is let through');
    },
  ),
  onBreaker(
    "a caller's abort and a bulkhead rejection are neither success nor failure",
    'callers that leave, or calls that were never made, open or close the circuit',
    { concurrency: 1 },
    async (breaker) => {
      for (let call = 0; call < 10; call++) await abortOne(breaker);
      expectThat(breaker.state === 'closed', 'aborts by the callers open it');
      const running = new Held();
      unwatched(breaker.call(running.fn));
      for (let call = 0; call < 30; call++) await breaker.call(up).catch(() => undefined);
      expectThat(breaker.state === 'closed', 'rejections by the bulkhead open it');
      running.succeed();
      await breaker.advance(0);
      await open(breaker);
      await breaker.advance(RECOVERY_MS);
      await abortOne(breaker);
      expectThat(breaker.state !== 'closed', 'an abort of the probe closes it');
      expectThat(await letsThrough(breaker), 'after an abort of the probe no other is let through');
    },
  ),
  onBreaker(
    'a filtered error resolves the probe',
    'a probe that ends with an error that does not count keeps its permit, and the circuit stays shut',
    {},
    async (breaker) => {
      const probe = await halfOpen(breaker);
      probe.fail(FILTERED);
      await breaker.advance(0);
      expectThat(await letsThrough(breaker), 'after a probe with a filtered error no call is let through');
      expectThat(breaker.state === 'closed', 'after a probe with a filtered error a success does not close it');
    },
  ),
  onBreaker(
    'half-open probes never exceed the permit count',
    'all waiting calls go at once to a service that is barely up',
    { permits: 2 },
    async (breaker) => {
      await open(breaker);
      await breaker.advance(RECOVERY_MS);
      const probes = new Held();
      for (let wave = 0; wave < 3; wave++) {
        for (let call = 0; call < 10; call++) unwatched(breaker.call(probes.fn));
        await breaker.advance(RECOVERY_MS / 10);
        expectThat(probes.running >= 1, 'no probe is let through after the recovery time');
        expectThat(probes.running <= 2, `${probes.running} probes run at once where 2 may`);
      }
      probes.fail();
      await breaker.advance(0);
      expectThat(
        breaker.state === 'open' && probes.running === 0,
        'after failed probes those who waited are let through',
      );
    },
  ),
  onBreaker(
    'isolate twice opens once',
    'a circuit that is isolated by hand reports it again and again, or recovers by itself',
    {},
    async (breaker) => {
      part(breaker.isolate?.bind(breaker));
      breaker.isolate?.();
      breaker.isolate?.();
      expectThat(breaker.timesOpened === 1, `it tells ${breaker.timesOpened} times that it opened`);
      await breaker.advance(10 * RECOVERY_MS);
      expectThat(!(await letsThrough(breaker)), 'it lets calls through again by itself');
    },
  ),
  onBreaker(
    'retry on the open circuit carries retryAfterMs',
    'a refused caller cannot know when to try again',
    {},
    async (breaker) => {
      await open(breaker);
      await breaker.advance(2_000);
      const error: unknown = await breaker.call(up).catch((thrown: unknown) => thrown);
      const told = Object.values(error as object).filter((value) => typeof value === 'number');
      expectThat(told.includes(RECOVERY_MS - 2_000), 'the error of an open circuit does not tell how long it stays so');
    },
  ),
];
