import { types } from 'node:util';
import { joinSignals, type JoinedSignal, messageOf, OptionValidator } from '../common/index.js';
import { type ServiceCallRequest } from './request.js';

/** One of several calls. */
export interface ParallelCall extends ServiceCallRequest {
  serviceName: string;
}

export interface ParallelOptions {
  /** How many calls run at once: 1 to 10,000. @default 32 */
  concurrency?: number;
  /** Ends all calls that still run; those not begun are not sent. */
  signal?: AbortSignal;
}

/** How one of several calls ended. */
export type ParallelResult<T> =
  | { readonly success: true; readonly callIndex: number; readonly serviceName: string; readonly data: T }
  | { readonly success: false; readonly callIndex: number; readonly serviceName: string; readonly error: Error };

export const DEFAULT_PARALLEL_CONCURRENCY = 32;

/**
 * Runs `call` for each of `calls`; results stand in the order of the calls, and one failure stops no other.
 * @throws InvalidConfigurationError for a wrong concurrency, before anything is sent
 */
export async function callInParallel<T>(
  calls: readonly ParallelCall[],
  { concurrency = DEFAULT_PARALLEL_CONCURRENCY, signal }: ParallelOptions,
  call: (serviceName: string, request: ServiceCallRequest) => Promise<T>,
): Promise<ParallelResult<T>[]> {
  const validator = new OptionValidator();
  validator.number('concurrency', concurrency, { min: 1, max: 10_000, integer: true });
  validator.throwIfAny();
  const results = new Array<ParallelResult<T>>(calls.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let callIndex = next++; callIndex < calls.length; callIndex = next++) {
      const { serviceName, ...request } = calls[callIndex]!;
      const either = eitherOf(request.cancellation?.signal ?? request.signal, signal);
      try {
        either.signal?.throwIfAborted();
        results[callIndex] = {
          success: true,
          callIndex,
          serviceName,
          data: await call(serviceName, { ...request, signal: either.signal, cancellation: undefined }),
        };
      } catch (error) {
        results[callIndex] = { success: false, callIndex, serviceName, error: asError(error) };
      } finally {
        either.release?.();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, calls.length) }, worker));
  return results;
}

function eitherOf(own: AbortSignal | undefined, shared: AbortSignal | undefined): Partial<JoinedSignal> {
  return own && shared ? joinSignals([own, shared]) : { signal: own ?? shared };
}

/** Abort reasons may be anything at all. */
function asError(reason: unknown): Error {
  const isError = reason instanceof Error || types.isNativeError(reason);
  return isError ? reason : new Error(messageOf(reason), { cause: reason });
}
