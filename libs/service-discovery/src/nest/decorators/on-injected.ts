import { Inject, type InjectionToken, Optional } from '@nestjs/common';

/**
 * Has Nest hand the value of `token` to every instance that it makes of a class: singletons, request-scoped and
 * transient ones, and those of subclasses. Instances made outside of Nest, or in an app without the token, get nothing.
 * The value goes to `receive` and not onto the instance, which stays as its author wrote it.
 */
export function onInjected<T>(
  prototype: object,
  slot: symbol,
  token: InjectionToken<T>,
  receive: (instance: object, value: T) => void,
): void {
  if (slot in prototype) return;
  Object.defineProperty(prototype, slot, {
    configurable: true,
    set(this: object, value: T) {
      receive(this, value);
    },
  });
  Inject(token)(prototype, slot);
  Optional()(prototype, slot);
}
