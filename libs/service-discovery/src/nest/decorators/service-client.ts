import { Injectable, type Type } from '@nestjs/common';
import { assertOptions, InvalidConfigurationError, type Problem } from '../../common/index.js';
import { type CommunicatorOptions, type ServiceCallRequest, ServiceCommunicator } from '../../communicator/index.js';
import { SERVICE_NAME_PATTERN, type ServiceName } from '../../model/index.js';
import { onInjected } from './on-injected.js';
import {
  type ParsedRoute,
  parseRoute,
  type PathParamOf,
  type PathValue,
  type RouteTemplate,
} from './route-template.js';

/** What a call of a declarative client takes: the request without what its route says already. */
export interface ServiceCallArgs extends Omit<ServiceCallRequest, 'method' | 'path'> {
  /** Values of the route's path parameters; they are percent-encoded. */
  params?: Readonly<Record<string, PathValue>>;
}

/**
 * A call of a declarative client: resolves with the parsed JSON body, undefined where there is none, and rejects as
 * `ServiceCommunicator.callServiceJson` does.
 * @typeParam Args what the caller must give, on top of what it may give: `{ params: { id: string }; json: NewUser }`
 */
export type ServiceMethod<Result, Args extends ServiceCallArgs = ServiceCallArgs> = object extends Args
  ? (args?: Args & Omit<ServiceCallArgs, keyof Args>) => Promise<Result>
  : (args: Args & Omit<ServiceCallArgs, keyof Args>) => Promise<Result>;

/** How the calls of a client are made. */
export interface ServiceClientOptions extends CommunicatorOptions, Pick<ServiceCallRequest, 'criteria'> {}

interface ClientDefinition {
  readonly service: string;
  readonly options: ServiceClientOptions;
}

interface CallDefinition {
  readonly key: string;
  readonly route: ParsedRoute;
  readonly options: CommunicatorOptions | undefined;
}

/** The names of the parameters that a property of the type `ServiceMethod` asks for. */
type PathParamAsked<Property> = Property extends (args: infer Args) => unknown
  ? Args extends { params: infer Params }
    ? keyof Params
    : never
  : never;

/** `unknown` where a property asks for exactly the parameters of its route, else a type that names those that differ. */
type RouteCheck<Property, Route extends string> = [PathParamOf<Route>] extends [PathParamAsked<Property>]
  ? [PathParamAsked<Property>] extends [PathParamOf<Route>]
    ? unknown
    : { unknownPathParam: Exclude<PathParamAsked<Property>, PathParamOf<Route>> }
  : { missingPathParam: Exclude<PathParamOf<Route>, PathParamAsked<Property>> };

const CLIENT = Symbol('nest-service-discovery:client');
const CALLS = Symbol('nest-service-discovery:calls');
const BINDING = Symbol('nest-service-discovery:binding');

/**
 * Makes a class a client of a service; its `@ServiceCall()` properties are the calls. It is a provider like any other:
 * list it in `ServiceDiscoveryModule.forFeature([…])` or in `providers`, and inject it.
 *
 * @example
 * ```ts
 * @ServiceClient('user-service', { timeout: '2s' })
 * class UserClient {
 *   @ServiceCall('GET /users/:id')
 *   readonly getUser!: ServiceMethod<User, { params: { id: string } }>;
 * }
 * const user = await users.getUser({ params: { id: '42' } });
 * ```
 * @throws InvalidConfigurationError when the class is defined with a name or options that are wrong
 */
export function ServiceClient(service: ServiceName, options: ServiceClientOptions = {}): ClassDecorator {
  return (target) => {
    if (typeof service !== 'string' || !SERVICE_NAME_PATTERN.test(service)) {
      const problem: Problem = {
        path: `@ServiceClient ${target.name}`,
        value: service,
        expected: 'the name of a service',
      };
      throw new InvalidConfigurationError([problem]);
    }
    assertOptions(`@ServiceClient ${target.name}`, options);
    Reflect.defineMetadata(CLIENT, { service, options } satisfies ClientDefinition, target);
    Injectable()(target);
    onInjected(target.prototype as object, BINDING, ServiceCommunicator, bindServiceClient);
  };
}

/**
 * Declares one call of a `@ServiceClient()`. The compiler checks that the property asks for the route's parameters, and no others.
 * @param route such as `GET /users/:id`
 * @param options over those of the client
 * @throws InvalidConfigurationError when the class is defined with something that is no route
 */
export function ServiceCall<const Route extends RouteTemplate>(route: Route, options?: CommunicatorOptions) {
  return <Target extends object, Key extends keyof Target & string>(
    target: Target,
    key: Key & RouteCheck<Target[Key], Route>,
  ): void => {
    const calls = (Reflect.getMetadata(CALLS, target) ?? []) as readonly CallDefinition[];
    const label = `${target.constructor.name}.${key}`;
    if (options !== undefined) assertOptions(`@ServiceCall ${label}`, options);
    const definition = { key, route: parseRoute(route, label), options };
    Reflect.defineMetadata(CALLS, [...calls.filter((call) => call.key !== key), definition], target);
  };
}

/** Whether a class carries `@ServiceClient()`. */
export function isServiceClient(target: Type): boolean {
  return Reflect.hasMetadata(CLIENT, target);
}

/**
 * Gives a client its calls. Nest's container does this by itself; for a client that is made by hand, in a test say,
 * pass any communicator.
 */
export function bindServiceClient(client: object, communicator: ServiceCommunicator): void {
  const definition = Reflect.getMetadata(CLIENT, client.constructor) as ClientDefinition;
  const { criteria, ...options } = definition.options;
  const base = communicator.withOptions(options);
  for (const { key, route, options: own } of (Reflect.getMetadata(CALLS, client) ?? []) as readonly CallDefinition[]) {
    const through = own ? base.withOptions(own) : base;
    const call = async ({ params, ...request }: ServiceCallArgs = {}): Promise<unknown> =>
      through.callServiceJson(definition.service, {
        criteria,
        ...request,
        method: route.method,
        template: route.template,
        path: route.path(params),
      });
    Object.defineProperty(client, key, { value: call, configurable: true, enumerable: false, writable: true });
  }
}
