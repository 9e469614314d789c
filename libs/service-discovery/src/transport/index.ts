/** Sends one request to one instance: the `Transport` port, and its implementation with undici. */
export {
  type HttpMethod,
  type InstanceDelta,
  isSpent,
  type OutgoingBody,
  outgoingBodyOf,
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
export { headerFault, targetOf, withQuery } from './request-target.js';
export { sendFailure, targetDetails, targetText } from './send-failure.js';
export { ResponseSource } from './body-source.js';
export { ReadContent } from './read-content.js';
export { bodyOf, onBodyEnd, ReadBody } from './response-body.js';
export { UNDICI_TRANSPORT_OPTIONS, type UndiciTransportOptions } from './undici/options.js';
export { UndiciTransport, type UndiciTransportDeps } from './undici/undici-transport.js';
