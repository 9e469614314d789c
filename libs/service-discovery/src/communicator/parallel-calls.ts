import { types } from 'node:util';
import { joinSignals, type JoinedSignal, messageOf, OptionValidator, throwIfAborted } from '../common/index.js';
import { assertServiceName, type ServiceName, type ServicePath } from '../model/index.js';
import { checkRequest, REQUEST_NAMES, requestIn } from './check-request.js';
import { kindOf, reject, type ServiceCallRequest } from './request.js';

/** One of several calls. */
export type ParallelCall = {
  [Name in ServiceName]: ServiceCallRequest<ServicePath<Name>> & { serviceName: Name };
}[ServiceName];

/** Bounds of calls that run in parallel. */
export interface ParallelOptions {
  /** Maximum concurrent calls: 1 to 10,000. @default 32 */
  concurrency?: number;
  /** Cancels all calls under way; the rest are not sent. */
  signal?: AbortSignal;
}

/** Outcome of one of several calls; `serviceName` is empty if the call named none. */
export type ParallelResult<T> =
  | { readonly success: true; readonly callIndex: number; readonly serviceName: string; readonly data: T }
  | { readonly success: false; readonly callIndex: number; readonly serviceName: string; readonly error: Error };

export const DEFAULT_PARALLEL_CONCURRENCY = 32;
const NAMES = REQUEST_NAMES.and('serviceName' satisfies keyof ParallelCall);

/**
 * Runs `call` for each of `calls`. Results are in the order of the calls, and a failed or invalid call does not affect
 * the others.
 * @throws InvalidConfigurationError for wrong options; ServiceDiscoveryError `INVALID_REQUEST` if `calls` is not a
 * list; both before anything is sent
 */
export async function callInParallel<T>(
  calls: readonly ParallelCall[],
  options: ParallelOptions,
  call: (serviceName: string, request: ServiceCallRequest) => Promise<T>,
): Promise<ParallelResult<T>[]> {
  const { concurrency, signal } = resolveOptions(options);
  if (!Array.isArray(calls)) {
    reject(undefined, 'calls', kindOf(calls), "a list such as [{ serviceName: 'users', path: '/' }]");
  }
  const results = new Array<ParallelResult<T>>(calls.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let callIndex = next++; callIndex < calls.length; callIndex = next++) {
      let either: Partial<JoinedSignal> | undefined;
      let serviceName = '';
      try {
        const given: unknown = calls[callIndex];
        serviceName = nameIn(given);
        const request = requestOf(given, serviceName);
        either = eitherOf(request.cancellation?.signal ?? request.signal, signal);
        throwIfAborted(either.signal);
        const data = await call(serviceName, { ...request, signal: either.signal, cancellation: undefined });
        results[callIndex] = { success: true, callIndex, serviceName, data };
      } catch (error) {
        results[callIndex] = { success: false, callIndex, serviceName, error: asError(error) };
      } finally {
        either?.release?.();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, calls.length) }, worker));
  return results;
}

function resolveOptions(options: ParallelOptions): ParallelOptions & { concurrency: number } {
  const check = new OptionValidator();
  const { concurrency, signal } = check.options<ParallelOptions>(
    '',
    options,
    { concurrency: DEFAULT_PARALLEL_CONCURRENCY },
    ['signal'],
  );
  const resolved = {
    signal,
    concurrency: check.number('concurrency', concurrency, { min: 1, max: 10_000, integer: true }),
  };
  check.optionalSignal('signal', signal);
  check.throwIfAny();
  return resolved;
}

/** The service of a call; empty if it names none. */
function nameIn(call: unknown): string {
  const name = (call as Partial<ParallelCall> | null | undefined)?.serviceName;
  return typeof name === 'string' ? name : '';
}

/** @throws ServiceDiscoveryError `INVALID_REQUEST` naming what is wrong with the call */
function requestOf(call: unknown, service: string): ServiceCallRequest {
  checkRequest(service, call, NAMES);
  assertServiceName((call as Partial<ParallelCall>).serviceName, 'serviceName');
  return requestIn(call) as ServiceCallRequest;
}

function eitherOf(own: AbortSignal | undefined, shared: AbortSignal | undefined): Partial<JoinedSignal> {
  return own && shared ? joinSignals([own, shared]) : { signal: own ?? shared };
}

/** An abort reason may be any value. */
function asError(reason: unknown): Error {
  const isError = reason instanceof Error || types.isNativeError(reason);
  return isError ? reason : new Error(messageOf(reason), { cause: reason });
}
