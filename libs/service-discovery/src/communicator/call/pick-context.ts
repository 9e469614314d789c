import { type PickContext, tagsOf } from '../../balancing/index.js';
import { type ChannelView } from '../channel/channel-view.js';
import { type PreparedRequest, type ServiceCallRequest } from '../request.js';

/** The part of a request that picks depend on. */
export function pickContextOf(
  view: ChannelView,
  { criteria, key, clientIp }: ServiceCallRequest,
  { path, query, headers }: PreparedRequest,
  tried: ReadonlySet<string> | undefined,
  refusal: PickContext['refusal'],
  now?: number,
): PickContext {
  return {
    version: criteria?.version,
    tags: criteria && tagsOf(criteria),
    protocol: criteria?.protocol,
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
