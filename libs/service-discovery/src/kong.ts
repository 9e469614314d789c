/** Migration from Kong, without a framework. */
export * from './kong/index.js';
