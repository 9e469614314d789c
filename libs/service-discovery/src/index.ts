/** Everything that a Nest application needs; the parts without a framework are in `./core`. */
export * from './core.js';
export * from './nest/index.js';
