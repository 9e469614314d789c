/**
 * The services that an app calls, for the compiler: their paths, or `true` for a service of which any path may be called. An app that
 * names them gets completion, and a wrong name or path does not compile:
 * ```ts
 * declare module 'nest-service-discovery' {
 *   interface ServiceNames {
 *     'user-service': '/users' | `/users/${string}`;
 *     'order-service': true;
 *   }
 * }
 * ```
 * Without it, every name and path compiles.
 */
export interface ServiceNames {}

/** The name of a service: any, or one of {@link ServiceNames} where an app lists them. */
export type ServiceName = keyof ServiceNames extends never ? string : keyof ServiceNames;

/** The path of a request to a service: any, or one of {@link ServiceNames} where an app lists those of the service. */
export type ServicePath<Name extends ServiceName = ServiceName> = Name extends keyof ServiceNames
  ? ServiceNames[Name] extends string
    ? ServiceNames[Name]
    : string
  : string;
