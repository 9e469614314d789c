import { type PickContext, tagsOf } from '../../balancing/index.js';
import { type ServiceView } from '../channel/service-view.js';
import { type PreparedRequest, type ServiceCallRequest } from '../request.js';

/** What a pick for a request goes by. */
export function pickContextOf(
  view: ServiceView,
  { criteria, key, clientIp }: ServiceCallRequest,
  { path, query, headers }: PreparedRequest,
  tried: ReadonlySet<string> | undefined,
  refusal: PickContext['refusal'],
  now?: number,
): PickContext {
  return {
    version: criteria?.version,
    tags: criteria && tagsOf(criteria),
    zone: criteria?.zone,
    key,
    path,
    query,
    headers,
    clientIp,
    exclude: tried,
    avoid: view.outliers?.ejected,
    unreachable: view.channel.unreachable.at(now),
    refusal,
    now,
  };
}
