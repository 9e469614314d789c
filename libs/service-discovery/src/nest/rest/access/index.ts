/** Who sends a request to the REST API, and what they may do. */
export { ApiGuard, Restricted, TokenRequiredError } from './api-guard.js';
export { type Caller, type CallerKind, callerOf, wasAsked } from './caller.js';
export { isLocalRequest, type PeerRequest } from './local-request.js';
export { SharedToken } from './shared-token.js';
