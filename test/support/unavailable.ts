import { expect } from '@jest/globals';

/** What an error of a registry that cannot be reached, or refuses, looks like. */
export const unavailable = (message: RegExp): object => ({
  code: 'REGISTRY_UNAVAILABLE',
  message: expect.stringMatching(message),
});
