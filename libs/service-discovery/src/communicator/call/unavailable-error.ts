import {
  BulkheadFullError,
  CircuitOpenError,
  NoAvailableInstanceError,
  ServiceNotFoundError,
} from '../../common/index.js';
import { describeUnavailable, type Refusal, type UnavailableReason } from '../../balancing/index.js';
import { refused as reportRefusal } from '../../resilience/index.js';
import { type Call } from './call.js';

/**
 * The error for a pick that found no instance. It reports what kept the instances from being picked at that moment, not
 * their present state: a circuit may be ready for a probe by now.
 * @param refused why instances could not take the call
 */
export function unavailableError<T>(
  call: Call<T>,
  reason: UnavailableReason,
  refused: ReadonlySet<Refusal> | undefined,
): unknown {
  const { service, last, view, request } = call;
  // The first failure is more informative than "no instance left".
  if (last?.error !== undefined) return last.error;
  switch (reason) {
    case 'no_instances':
      return new ServiceNotFoundError(service, {}, call.deps.nearNames.suggest(service));
    case 'no_match':
    case 'none_healthy':
    case 'too_few_healthy':
      return new NoAvailableInstanceError(
        service,
        describeUnavailable(reason, view.channel.instances, request.criteria),
      );
    case 'none_available':
      return refusalError(call, refused);
  }
}

function refusalError<T>(call: Call<T>, refused: ReadonlySet<Refusal> | undefined): unknown {
  const { service, view, request } = call;
  if (refused === undefined) return new NoAvailableInstanceError(service, 'the load balancer offers none');
  if (refused.has('at_capacity')) {
    const error = new BulkheadFullError({ service, limit: view.settings.concurrency, queue: 0 });
    return reportRefusal(call, 'concurrency', error);
  }
  const retryAfterMs = view.circuitWaitMs(request.criteria);
  const error = new CircuitOpenError(
    `The circuits of all instances of "${service}" that could take the call are open`,
    {
      service,
      retryAfterMs: Number.isFinite(retryAfterMs) ? Math.ceil(retryAfterMs) : undefined,
    },
  );
  return reportRefusal(call, 'circuit_breaker', error);
}
