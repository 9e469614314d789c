/** For the tests of those who use the library: a manual clock, fakes, contract suites. */
export * from './testing/index.js';
