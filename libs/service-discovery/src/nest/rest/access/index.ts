/** Authentication and authorization of requests to the REST API. */
export { AccessError, Needs, Restricted } from './rights.js';
export { type AccessRule } from './access-rules.js';
export { ApiAccess } from './api-access.js';
export { ApiGuard, wasAsked } from './api-guard.js';
export { type Caller, type CallerKind } from './caller.js';
export { type JwtOptions } from './jwt-verifier.js';
export { KeysUnavailableError } from './key-set.js';
export { isLocalRequest, type PeerRequest } from './local-request.js';
export { OwnedInstances } from './owned-instances.js';
export { readableServices } from './readable-services.js';
export { accessOf, type AccessQuestion, type Authorize, callerOf, type RequestAccess } from './request-access.js';
