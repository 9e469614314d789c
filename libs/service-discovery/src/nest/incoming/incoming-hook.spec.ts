import { type HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { describe, expect, it, jest } from '@jest/globals';
import { DEADLINE_HEADER } from '../../communicator/index.js';
import { ManualClock } from '../../testing/index.js';
import { type PeerRequest } from '../rest/access/local-request.js';
import { currentDeadline, wantIncoming } from './incoming-context.js';
import { IncomingHook } from './incoming-hook.js';
import { DeadlineTrust } from './deadline-trust.js';

type Middleware = (request: PeerRequest, response: unknown, next: () => void) => void;

const NOW = 1_000_000;

/** The middleware that the hook adds on Express. */
function attached(): Middleware {
  let middleware: Middleware | undefined;
  const httpAdapter = { getType: () => 'express', use: (added: Middleware) => (middleware = added) };
  const clock = new ManualClock(NOW);
  const trust = new DeadlineTrust(undefined, undefined);
  const host = { httpAdapter } as unknown as HttpAdapterHost;
  const options = { inheritDeadline: true, requestId: false, traceContext: false } as const;
  new IncomingHook(host, options, clock, trust, new ModulesContainer()).attach();
  return middleware!;
}

/** The deadline that a handler has whose request arrives at {@link NOW}. */
function deadlineOf(sent: string): number | undefined {
  wantIncoming();
  let deadline: number | undefined;
  const request = { headers: { [DEADLINE_HEADER]: sent } } as unknown as PeerRequest;
  attached()(request, undefined, () => (deadline = currentDeadline()));
  return deadline;
}

describe('IncomingHook', () => {
  // First, since a process that wants contexts keeps wanting them.
  it('reads no header in an app that makes no calls', () => {
    const next = jest.fn();
    const request = {
      get headers(): never {
        throw new Error('read');
      },
    } as unknown as PeerRequest;
    attached()(request, undefined, next);
    expect(next).toHaveBeenCalledTimes(1);
  });

  it.each(['express', 'fastify'])(
    'installs nothing on %s if neither deadlines, ids nor trace contexts are read',
    (type) => {
      const touched = (): never => {
        throw new Error('installed');
      };
      const httpAdapter = { getType: () => type, use: touched, getInstance: touched };
      const trust = new DeadlineTrust(undefined, undefined);
      const attach = (options: { inheritDeadline: boolean; requestId: false | object; traceContext: boolean }): void =>
        new IncomingHook(
          { httpAdapter } as unknown as HttpAdapterHost,
          options,
          new ManualClock(NOW),
          trust,
          new ModulesContainer(),
        ).attach();
      const off = { inheritDeadline: false, requestId: false, traceContext: false } as const;
      expect(() => attach(off)).not.toThrow();
      for (const on of [{ inheritDeadline: true }, { requestId: {} }, { traceContext: true }])
        expect(() => attach({ ...off, ...on })).toThrow('installed');
    },
  );

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
