/** The bodies of the REST API's answers. */
export type * from '../../client/answers.js';
export type * from '../../client/insight-answers.js';
export { type ErrorBody, type FieldProblem, type RestErrorCode } from './rest-error.js';
export { type PatternView } from './views/index.js';
