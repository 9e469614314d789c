import { type ExecutionContext, SetMetadata } from '@nestjs/common';
import { type ApiRight } from '../../../model/index.js';
import { type AccessRights } from './access-rules.js';
import { matches } from './caller.js';

const EVERYWHERE = '*';

/** What a caller may do, and in which services. */
export class Rights {
  static readonly all = new Rights([{ may: ['read', 'register', 'operate'] }]);
  static readonly none = new Rights([]);

  constructor(private readonly rules: readonly AccessRights[]) {}

  get areNone(): boolean {
    return this.rules.length === 0;
  }

  /** In a service of this name. */
  may(right: ApiRight, serviceName: string): boolean {
    return this.some(
      right,
      (services) => services.includes(EVERYWHERE) || services.some((pattern) => matches(pattern, serviceName)),
    );
  }

  /** In one service at least. */
  mayAnywhere(right: ApiRight): boolean {
    return this.some(right, (services) => services.length > 0);
  }

  /** In all services. */
  mayEverywhere(right: ApiRight): boolean {
    return this.some(right, (services) => services.includes(EVERYWHERE));
  }

  /** These rights, and that of reading all services. */
  withReading(): Rights {
    return new Rights([...this.rules, { may: ['read'] }]);
  }

  private some(right: ApiRight, covers: (services: readonly string[]) => boolean): boolean {
    return this.rules.some(({ may, services = [EVERYWHERE] }) => may.includes(right) && covers(services));
  }
}

/** A request that was refused because of who sent it. */
export class AccessError extends Error {
  /**
   * @param code `UNAUTHORIZED`: the request shows no credential; `FORBIDDEN`: none that is valid, or the API is closed to it;
   *   `ACCESS_DENIED`: its caller is known, and may not do this
   */
  constructor(
    readonly code: 'UNAUTHORIZED' | 'FORBIDDEN' | 'ACCESS_DENIED',
    message: string,
    readonly details: {
      readonly service?: string;
      readonly instanceId?: string;
      /** The header `WWW-Authenticate`. */
      readonly challenge?: string;
    } = {},
  ) {
    super(message);
    this.name = 'AccessError';
  }
}

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
