import Sequencer from '@jest/test-sequencer';

/** Starts the end-to-end specs first, which take the longest: no worker is left with one when the others are done. */
export default class extends Sequencer {
  async sort(tests) {
    const sorted = await super.sort(tests);
    const isEndToEnd = ({ path }) => path.includes('.e2e-spec.');
    return [...sorted.filter(isEndToEnd), ...sorted.filter((test) => !isEndToEnd(test))];
  }
}
