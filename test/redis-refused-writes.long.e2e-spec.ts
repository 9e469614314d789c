import { afterEach, describe } from '@jest/globals';
import { redis, testRefusals } from './support/refused-writes.js';

afterEach(() => redis.end());

describe('a Redis that can be read but refuses writes', () => {
  testRefusals('NOREPLICAS', 'MISCONF', 'READONLY');
});
