/** Sends one request to one instance: the `Transport` port, and its implementation with undici. */
export {
  type HttpMethod,
  type InstanceDelta,
  type Query,
  type QueryValue,
  type RequestBody,
  type RequestHeaders,
  type ResponseBody,
  type ServiceRequest,
  type ServiceResponse,
  type Transport,
} from './transport.js';
export { type TransportTlsOptions } from './tls.js';
export { headerFault } from './header-fault.js';
export { isSpent, type OutgoingBody, outgoingBodyOf } from './outgoing-body.js';
export { withQuery } from './query.js';
export { targetOf } from './request-target.js';
export { ReadBody } from './read-body.js';
export { ReadContent } from './read-content.js';
export { bodyOf, onBodyEnd } from './response-body.js';
export { UNDICI_TRANSPORT_OPTIONS, type UndiciTransportOptions } from './undici/options.js';
export { UndiciTransport, type UndiciTransportDeps } from './undici/undici-transport.js';
