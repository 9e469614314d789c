import { isPlainObject } from '../common/index.js';
import { type ServiceInstance } from './instance.js';
import { isHttp, type Protocol } from './protocol.js';
import { findRegistrationProblems, toInstance } from './registration.js';
import { isRollout, type Rollout, rolloutShare } from './rollout.js';

/** A share of the calls to a service that goes through the address of a gateway; the rest goes directly to instances. */
interface GatewayShare {
  /** Protocol, host and port of the gateway, with the prefix of every request path: `http://kong:8000/users`. */
  readonly url: string;
  /** Per cent of the calls: 0 to 100. */
  readonly share: number;
}

/** How the calls to one service are split. All callers follow it. */
export interface ServiceSplit {
  /** Undefined: all calls go directly to instances. */
  readonly via?: GatewayShare;
  /** Undefined: calls are not split by version. */
  readonly rollout?: Rollout;
}

/** The parts of a split that attempts go to. */
export const SPLIT_PARTS = ['via', 'direct', 'canary', 'stable'] as const;
/**
 * `via`: through the gateway; `direct`: to an instance. With a rollout the latter are `canary`, instances of the new
 * version, and `stable`, all others.
 */
export type SplitPart = (typeof SPLIT_PARTS)[number];

export function isSplitPart(value: unknown): value is SplitPart {
  return SPLIT_PARTS.includes(value as SplitPart);
}

export function isShare(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 100;
}

/** Whether something that another process sent is a split. */
export function isServiceSplit(value: unknown): value is ServiceSplit {
  if (!isPlainObject(value)) return false;
  const { via, rollout } = value;
  const isVia = isPlainObject(via) && gatewayAt('any', via.url) !== undefined && isShare(via.share);
  return (via === undefined || isVia) && (rollout === undefined || isRollout(rollout));
}

/** A text that is the same for splits that send calls the same way: of a rollout, it leaves out who moves it. */
export function waysOf(split: ServiceSplit | undefined): string {
  const { via, rollout } = split ?? {};
  return JSON.stringify([via?.url, via?.share, rollout && [rollout.version, rolloutShare(rollout), rollout.since]]);
}

/**
 * A gateway as an instance that calls can be sent to; it is not registered. Undefined if the URL is none of a gateway: with
 * `http` or `https` and a host, without credentials, query and fragment.
 */
export function gatewayAt(serviceName: string, url: unknown): ServiceInstance | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  const { protocol: scheme, hostname: host, port: digits, pathname, username, password, search, hash } = new URL(url);
  const protocol = scheme.slice(0, -1) as Protocol;
  if (!isHttp(protocol) || username !== '' || password !== '' || search !== '' || hash !== '') return undefined;
  const port = digits === '' ? (protocol === 'https' ? 443 : 80) : Number(digits);
  const address = { serviceName, host, port, protocol, path: pathname.replace(/\/+$/, '') };
  if (findRegistrationProblems(address).length > 0) return undefined;
  const { instanceId } = toInstance(address, { ttlMs: 0, now: 0 });
  return toInstance({ ...address, instanceId: `via-${instanceId}` }, { ttlMs: 0, now: 0 });
}
