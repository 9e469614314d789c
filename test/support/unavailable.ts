import { expect } from '@jest/globals';

/** The error of a registry that is unreachable or refuses. */
export const unavailable = (message: RegExp): object => ({
  code: 'REGISTRY_UNAVAILABLE',
  message: expect.stringMatching(message),
});
