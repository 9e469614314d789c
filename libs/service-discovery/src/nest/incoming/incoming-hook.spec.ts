import { type HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { describe, expect, it } from '@jest/globals';
import { DEADLINE_HEADER } from '../../communicator/index.js';
import { ManualClock } from '../../testing/index.js';
import { type PeerRequest } from '../rest/access/local-request.js';
import { currentDeadline, wantIncoming } from './incoming-context.js';
import { IncomingHook } from './incoming-hook.js';
import { DeadlineTrust } from './deadline-trust.js';

type Middleware = (request: PeerRequest, response: unknown, next: () => void) => void;

const NOW = 1_000_000;

/** The deadline that a handler has whose request arrives at {@link NOW}. */
function deadlineOf(sent: string): number | undefined {
  let middleware: Middleware | undefined;
  const httpAdapter = { getType: () => 'express', use: (added: Middleware) => (middleware = added) };
  const clock = new ManualClock(NOW);
  const trust = new DeadlineTrust(undefined, undefined);
  const host = { httpAdapter } as unknown as HttpAdapterHost;
  new IncomingHook(host, { inheritDeadline: true, requestId: false }, clock, trust, new ModulesContainer()).attach();
  wantIncoming();
  let deadline: number | undefined;
  const request = { headers: { [DEADLINE_HEADER]: sent } } as unknown as PeerRequest;
  middleware!(request, undefined, () => (deadline = currentDeadline()));
  return deadline;
}

describe('IncomingHook', () => {
  it('makes the deadline of a request the current one', () => {
    expect(deadlineOf(String(NOW + 5_000))).toBe(NOW + 5_000);
  });

  it('leaves the calls 100 ms at least', () => {
    expect(deadlineOf(String(NOW + 60))).toBe(NOW + 100);
  });

  it('ignores a deadline that has passed, since the clocks must differ then', () => {
    expect(deadlineOf(String(NOW))).toBeUndefined();
  });
});
