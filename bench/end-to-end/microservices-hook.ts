import { register, type ResolveHook } from 'node:module';

/**
 * Lets Nest find `@nestjs/microservices`, which is installed by another name: each app of the workspace, such as those of
 * tests, would load it at its start if it were there by its own.
 */
export function linkMicroservices(): void {
  register(import.meta.url);
}

/** Runs in the thread of Node's hooks. */
export const resolve: ResolveHook = (specifier, context, next) =>
  next(specifier.replace(/^@nestjs\/microservices\b/, 'nest-microservices'), context);
