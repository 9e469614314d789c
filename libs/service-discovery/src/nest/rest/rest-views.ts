/** The bodies of the REST API's answers. */
export type * from '../../client/index.js';
export { type ErrorBody, type FieldProblem, type RestErrorCode } from './rest-error.js';
export { type EventView, type PatternView } from './views/index.js';
