import { mock } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Steps per advance, so that promises run between timers. */
const STEPS = 200;

/** Manual time for libraries that use the global timers and `Date`. */
export class MockedTime {
  constructor() {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.UTC(2026, 0, 1) });
  }

  /** Advances time, and lets everything due run. */
  async advance(ms: number): Promise<void> {
    await nextTurn();
    const step = Math.max(1, Math.ceil(ms / STEPS));
    for (let left = ms; left > 0; left -= step) {
      mock.timers.tick(Math.min(step, left));
      await nextTurn();
    }
  }

  release(): void {
    mock.timers.reset();
  }
}
