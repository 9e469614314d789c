import { type ExecutionContext, SetMetadata } from '@nestjs/common';
import { type ApiRight } from '../../../model/index.js';

const RIGHT = Symbol('nest-service-discovery:right');
const RESTRICTED = Symbol('nest-service-discovery:restricted');
/** Requests that change nothing. */
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export interface RouteRight {
  readonly action: ApiRight;
  /** Whether the right is needed in all services. */
  readonly everywhere: boolean;
}

/**
 * Says which right a route needs, in the service that its path names. Without it, routes that only read need `read`, all
 * others `operate`.
 */
export const Needs = (action: ApiRight, { everywhere = false } = {}): MethodDecorator =>
  SetMetadata(RIGHT, { action, everywhere } satisfies RouteRight);

/** Marks a reading route that stays closed where reads are open, since it shows what is masked elsewhere. */
export const Restricted = (): MethodDecorator => SetMetadata(RESTRICTED, true);

/** @param method of the request */
export function rightOf(method: string, context: ExecutionContext): RouteRight {
  const right = Reflect.getMetadata(RIGHT, context.getHandler()) as RouteRight | undefined;
  return right ?? { action: READS.has(method) ? 'read' : 'operate', everywhere: false };
}

/** Whether strangers may use a route where reads are open, whatever class it is in. */
export function isOpenRead(method: string, context: ExecutionContext): boolean {
  return READS.has(method) && Reflect.getMetadata(RESTRICTED, context.getHandler()) !== true;
}
