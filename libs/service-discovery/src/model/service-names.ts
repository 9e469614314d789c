/**
 * The services that an app calls, for the compiler. An app that names them gets completion, and a wrong name does not compile:
 * ```ts
 * declare module 'nest-service-discovery' {
 *   interface ServiceNames {
 *     'user-service': true;
 *   }
 * }
 * ```
 * Without it, every name compiles.
 */
export interface ServiceNames {}

/** The name of a service: any, or one of {@link ServiceNames} where an app lists them. */
export type ServiceName = keyof ServiceNames extends never ? string : keyof ServiceNames;
