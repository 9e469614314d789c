/** For tests: time under control, fakes, and the suite that each implementation of a port passes. */
export { fakeInstance } from './fake-instance.js';
export { type TestHarness } from './harness.js';
export { ManualClock } from './manual-clock.js';
export { seededRandom } from '../common/index.js';
