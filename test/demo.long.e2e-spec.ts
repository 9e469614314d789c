import { expect, it } from '@jest/globals';
import { BUILD_TIMEOUT_MS } from './support/built-package.js';
import { interruptDemo } from './support/interrupt-demo.js';

it(
  'the demo, interrupted while its processes run, ends with 130 and leaves no process behind',
  async () => {
    const { ended, output, left } = await interruptDemo('Discovery: where is a service?');
    expect(ended).toEqual([130, null]);
    expect(output).toContain('SIGINT: ending every process');
    expect(output).not.toContain('\u001b');
    expect(left).toEqual([]);
  },
  BUILD_TIMEOUT_MS,
);
