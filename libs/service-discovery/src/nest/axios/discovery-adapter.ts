import axios, {
  AxiosError,
  type AxiosAdapter,
  AxiosHeaders,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from 'axios';
import { type SelectionCriteria } from '../../balancing/index.js';
import { invalidRequest, ServiceDiscoveryError } from '../../common/index.js';
import {
  type ServiceCallRequest,
  type ServiceCallResponse,
  type ServiceCommunicator,
} from '../../communicator/index.js';
import { isHttp } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { type HttpMethod, onBodyEnd } from '../../transport/index.js';
import { DiscoveredRequest } from '../axios-failure.js';
import { markDiscoveryAdapter } from '../axios-transport/index.js';
import { RequestCancellation } from './cancellation.js';
import { readBody } from './read-body.js';
import { toRequestBody } from './request-body.js';
import { parseServiceUrl, type ServiceUrl } from './service-url.js';

/**
 * An axios adapter that is the communicator: `http://user-service/users/1` is discovered, balanced, retried, and so is
 * `http://user-service:3000/users/1` where such a service is registered. An `https:` URL goes only to instances that
 * registered with `https`. Other URLs go to axios's own adapter. Interceptors, transforms, `params`, `timeout` (of the
 * whole call), `signal`, `auth`, `responseType` and `validateStatus` work as with any adapter; redirects are not followed.
 * @param listed names of services that could also be hosts, see {@link parseServiceUrl}
 */
export function discoveryAdapter(
  communicator: ServiceCommunicator,
  registry: ServiceRegistry,
  listed: ReadonlySet<string>,
): AxiosAdapter {
  const elsewhere = axios.getAdapter(axios.defaults.adapter);
  const adapter: AxiosAdapter = (config) => {
    const target = parseServiceUrl(urlOf(config), listed);
    if (!target) return elsewhere(config);
    return target.isAmbiguous ? sendIfRegistered(target, config) : send(communicator, target, config);
  };
  const sendIfRegistered = async (target: ServiceUrl, config: InternalAxiosRequestConfig): Promise<AxiosResponse> =>
    (await isRegistered(registry, target.service)) ? send(communicator, target, config) : elsewhere(config);
  markDiscoveryAdapter(adapter);
  return adapter;
}

/** The alternative to an `httpsAgent`, for errors. */
export const HTTPS_AGENT_HINT =
  'services are called with the TLS of ServiceDiscoveryModule (transport: { tls }); for other hosts, a request may have an agent of its own';

const OVER_TLS: SelectionCriteria = { protocol: 'https' };
const ABSOLUTE_URL = /^https?:\/\//i;
/** Builds URLs. It needs no defaults: a request's config already includes those of its axios instance. */
const URLS = new axios.Axios();

/** The URL that axios builds from `url`, `baseURL` and `params`. */
function urlOf({ url = '', baseURL, params, paramsSerializer, allowAbsoluteUrls }: InternalAxiosRequestConfig): string {
  if (!params && ABSOLUTE_URL.test(url) && (!baseURL || allowAbsoluteUrls !== false)) return url;
  return URLS.getUri({ url, baseURL, params: params as unknown, paramsSerializer, allowAbsoluteUrls });
}

/** A name that the registry cannot be asked about is treated as a host. */
async function isRegistered(registry: ServiceRegistry, name: string): Promise<boolean> {
  // While it is away, the answer would come after `startTimeout`, and calls to other hosts would wait for it.
  if (registry.snapshot.connected) await registry.follow(name).catch(() => undefined);
  return registry.getInstances(name).some(({ protocol }) => isHttp(protocol));
}

async function send(
  communicator: ServiceCommunicator,
  target: ServiceUrl,
  config: InternalAxiosRequestConfig,
): Promise<AxiosResponse> {
  const cancellation = new RequestCancellation(config);
  let isOpen = false;
  try {
    const request = toRequest(target, config, cancellation);
    const answer = await communicator.callService(target.service, request);
    const response = await toResponse(answer, request, config);
    // A stream outlives the call, and the caller can still cancel it.
    isOpen = config.responseType === 'stream' && onBodyEnd(answer.body, () => cancellation.dispose());
    return settle(response, config);
  } catch (error) {
    throw toAxiosError(error, config);
  } finally {
    if (!isOpen) cancellation.dispose();
  }
}

function toRequest(
  { service, path, isSecure }: ServiceUrl,
  { method = 'get', data, headers: given, timeout, auth, httpsAgent }: InternalAxiosRequestConfig,
  cancellation: RequestCancellation,
): ServiceCallRequest {
  if (httpsAgent) {
    throw invalidRequest([{ path: 'httpsAgent', value: '***', expected: `none, as ${HTTPS_AGENT_HINT}` }], service);
  }
  const { body, headers: ofBody } = toRequestBody(data);
  const headers = AxiosHeaders.from(given);
  if (ofBody) headers.set(ofBody);
  if (auth) headers.setAuthorization(`Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`);
  return {
    method: method.toUpperCase() as HttpMethod,
    path,
    headers: headers.toJSON(),
    body,
    // Axios counts in milliseconds; 0 means no timeout.
    timeout: timeout ? `${timeout}ms` : undefined,
    criteria: isSecure ? OVER_TLS : undefined,
    cancellation,
  };
}

async function toResponse(
  answer: ServiceCallResponse,
  { method = 'GET', path }: ServiceCallRequest,
  config: InternalAxiosRequestConfig,
): Promise<AxiosResponse> {
  return {
    status: answer.status,
    statusText: '',
    headers: new AxiosHeaders(answer.headers as Record<string, string>),
    data: await readBody(answer.body, config.responseType),
    config,
    request: new DiscoveredRequest(answer.instance, answer.attempts, method, path),
  };
}

/** Decides by `validateStatus` whether a status is an error, as every adapter of axios has to. */
function settle(response: AxiosResponse, config: InternalAxiosRequestConfig): AxiosResponse {
  const { status } = response;
  if (!config.validateStatus || config.validateStatus(status)) return response;
  const code = status >= 400 && status < 500 ? AxiosError.ERR_BAD_REQUEST : AxiosError.ERR_BAD_RESPONSE;
  throw new AxiosError(`Request failed with status code ${status}`, code, config, response.request, response);
}

/** The library's own errors, with their codes, in the shape that users of axios expect. */
function toAxiosError(error: unknown, config: InternalAxiosRequestConfig): unknown {
  if (!(error instanceof ServiceDiscoveryError)) return error;
  return Object.assign(new AxiosError(error.message, error.code, config), { cause: error });
}
