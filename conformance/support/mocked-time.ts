import { mock } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Steps that a stretch of time is divided into, so that promises run on between timers. */
const STEPS = 200;

/** Time in the hands of a scenario, for libraries that take theirs from the global timers and `Date`. */
export class MockedTime {
  constructor() {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.UTC(2026, 0, 1) });
  }

  /** Moves time, and lets what fell due run on. */
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
