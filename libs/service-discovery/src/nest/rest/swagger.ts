import { describeOperations } from './openapi/describe-operation.js';
import { OPERATIONS } from './openapi/operations.js';
import { withoutReferences } from './openapi/schema.js';
import { SCHEMAS } from './openapi/schemas.js';

/** Names of the metadata of `@nestjs/swagger`, which is not needed here: they are the same in 11 and 12. */
const EXCLUDE_CONTROLLER = 'swagger/apiExcludeController';
const OPERATION = 'swagger/apiOperation';
const PARAMETERS = 'swagger/apiParameters';
const RESPONSE = 'swagger/apiResponse';
const SECURITY = 'swagger/apiSecurity';
const TAGS = 'swagger/apiUseTags';

/** Keeps a controller, and classes that extend it, out of the app's own document: what `@ApiExcludeController()` does. */
export function HiddenFromSwagger(): ClassDecorator {
  return (controller) => Reflect.defineMetadata(EXCLUDE_CONTROLLER, [true], controller);
}

/**
 * Brings a controller that extends one of the library's into the app's own document, with the schemas of its routes, as
 * `api: { swagger: true }` does for those that the library mounts. The schemas stand there in full, as the document has no
 * components but the app's. Its routes name the security scheme `bearer`, that of
 * `DocumentBuilder.addBearerAuth()`, unless a decorator names another.
 */
export function ShowInSwagger(): ClassDecorator {
  return (controller) => {
    describeController(controller);
    requireToken(controller);
  };
}

/** {@link ShowInSwagger} without the security scheme, which the app's decorators may set. */
export function describeController(controller: object): void {
  Reflect.defineMetadata(EXCLUDE_CONTROLLER, [false], controller);
  Reflect.defineMetadata(TAGS, ['service-discovery'], controller);
  for (const [name, operation] of Object.entries(describeOperations())) {
    const handler = handlerOf(controller, name);
    if (!handler) continue;
    const { summary, parameters, requestBody, responses } = withoutReferences(operation, SCHEMAS);
    Reflect.defineMetadata(OPERATION, requestBody ? { summary, requestBody } : { summary }, handler);
    Reflect.defineMetadata(PARAMETERS, parameters, handler);
    Reflect.defineMetadata(RESPONSE, responses, handler);
  }
}

/** From the registry's own machine no token is needed. */
const TOKEN: readonly object[] = [{ bearer: [] }, {}];

/** Sets the security scheme of the token on routes for which the app's decorators set none. */
export function requireToken(controller: object): void {
  for (const name of Object.keys(OPERATIONS)) {
    const handler = handlerOf(controller, name);
    if (!handler) continue;
    const named = (Reflect.getMetadata(SECURITY, handler) as readonly object[] | undefined) ?? [];
    // A copy for the app's decorators has ours from the method that other controllers share.
    const others = named.filter((scheme) => !TOKEN.includes(scheme));
    Reflect.defineMetadata(SECURITY, others.length > 0 ? others : TOKEN, handler);
  }
}

function handlerOf(controller: object, name: string): object | undefined {
  const { prototype } = controller as { readonly prototype: Readonly<Record<string, unknown>> };
  const handler = prototype[name];
  return typeof handler === 'function' ? handler : undefined;
}
