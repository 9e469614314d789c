/** Proves that scenarios which no peer fails can fail, by parts that have exactly that fault. */
import { describe, expect, it } from '@jest/globals';
import { type BalancerPart, type BalancersPart, type BalancingParts } from '../conformance/balancing/balancer-part.js';
import { type BreakerPart, type BreakerSettings } from '../conformance/breaker/breaker-part.js';
import { scenarios } from '../conformance/scenarios.js';
import { type Peer } from '../conformance/support/peer.js';
import { type HttpRetryPart } from '../conformance/retry/retry-part.js';

/** What the scenario finds wrong with a peer. */
async function faultOf(name: string, parts: Partial<Peer>): Promise<string> {
  const scenario = scenarios.find((one) => one.name === name)!;
  return scenario.run({ name: 'faulty', version: '0', ...parts }).then(
    () => 'nothing',
    (error: Error) => error.message,
  );
}

/** Balancers whose picks `next` chooses from the list. */
function balancing(next: (ids: readonly string[]) => string, part: keyof BalancingParts): Partial<Peer> {
  const of = (): BalancerPart => {
    let present: readonly string[] = [];
    return { update: async (ids) => void (present = ids), pick: async () => next(present) };
  };
  const byService = new Map<string, BalancerPart>();
  const parts: BalancersPart = {
    of(service) {
      const known = byService.get(service) ?? of();
      byService.set(service, known);
      return known;
    },
    close: async () => undefined,
  };
  return { balancing: { [part]: () => parts } };
}

interface Faults {
  readonly filteredKeepsPermit?: boolean;
  readonly unlimitedProbes?: boolean;
  readonly tellsEachIsolation?: boolean;
}

/** A correct breaker on a manual clock, except for its given faults. */
function breaker({ filteredKeepsPermit, unlimitedProbes, tellsEachIsolation }: Faults): Partial<Peer> {
  const make = ({ recoveryMs, permits, isFault }: BreakerSettings): BreakerPart => {
    let state: BreakerPart['state'] = 'closed';
    let [now, openUntil, failures, probes, timesOpened, isolated] = [0, 0, 0, 0, 0, false];
    const open = (): void => {
      [state, openUntil, failures, probes] = ['open', now + recoveryMs, 0, 0];
      timesOpened++;
    };
    return {
      get state() {
        return state;
      },
      get timesOpened() {
        return timesOpened;
      },
      async call(fn) {
        if (isolated || (state === 'open' && now < openUntil)) throw new Error('open');
        if (state === 'open') state = 'half_open';
        if (state === 'half_open' && !unlimitedProbes && probes >= permits) throw new Error('no permit');
        if (state === 'half_open') probes++;
        try {
          const value = await fn();
          [state, failures, probes] = ['closed', 0, 0];
          return value;
        } catch (error) {
          if (isFault(error as Error)) {
            if (++failures >= 3 || state === 'half_open') open();
          } else if (!filteredKeepsPermit) probes = Math.max(0, probes - 1);
          throw error;
        }
      },
      isolate() {
        if (isolated && !tellsEachIsolation) return;
        isolated = true;
        timesOpened++;
      },
      advance: async (ms) => {
        now += ms;
        await new Promise((resolve) => setImmediate(resolve));
      },
      close: () => undefined,
    };
  };
  return { breaker: make };
}

describe('a scenario detects', () => {
  it('a round robin whose services share a position', async () => {
    let turn = 0;
    const shared = balancing((ids) => ids[turn++ % ids.length]!, 'roundRobin');
    expect(await faultOf("one service's turn does not move another's", shared)).toMatch(/one gets (20|0) where/);
  });

  it('least connections that always takes the first of equals', async () => {
    const first = balancing((ids) => ids[0]!, 'leastConnections');
    expect(await faultOf('idle least connections does not always pick the first', first)).toMatch(/one of 4 gets 0/);
  });

  it('weights implemented as runs of calls', async () => {
    let turn = 0;
    const inARow = [...'0000011111222223333344444'].map((index) => `i${index}`).concat('i5');
    const bursts = balancing(() => inARow[turn++ % inARow.length]!, 'weightedRoundRobin');
    const fault = await faultOf('weighted round robin 5,5,5,5,5,1 makes no bursts', bursts);
    expect(fault).toBe('one gets two calls in a row');
  });

  it('a breaker whose probe keeps its permit after a filtered error', async () => {
    expect(await faultOf('a filtered error resolves the probe', breaker({}))).toBe('nothing');
    expect(await faultOf('a filtered error resolves the probe', breaker({ filteredKeepsPermit: true }))).toMatch(
      'no call is let through',
    );
  });

  it('a breaker that lets every call through when half open', async () => {
    const name = 'half-open probes never exceed the permit count';
    expect(await faultOf(name, breaker({}))).toBe('nothing');
    expect(await faultOf(name, breaker({ unlimitedProbes: true }))).toBe('10 probes run at once where 2 may');
  });

  it('a breaker that emits an event for each isolation', async () => {
    expect(await faultOf('isolate twice opens once', breaker({}))).toBe('nothing');
    expect(await faultOf('isolate twice opens once', breaker({ tellsEachIsolation: true }))).toMatch('tells 2 times');
  });

  it('a client that ignores Retry-After', async () => {
    const http = async (origin: string): Promise<HttpRetryPart> => ({
      async send({ method, path }) {
        let status = 503;
        for (let attempt = 0; attempt < 2 && status === 503; attempt++) {
          status = (await fetch(`${origin}${path}`, { method })).status;
        }
        return status;
      },
      close: async () => undefined,
    });
    expect(await faultOf('Retry-After is obeyed', { retry: { http } })).toMatch(
      /after \d+ ms where 1000 are asked for/,
    );
  });
});
