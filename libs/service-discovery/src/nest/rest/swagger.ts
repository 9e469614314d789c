import { describeOperations } from './openapi/describe-operation.js';
import { withoutReferences } from './openapi/schema.js';
import { SCHEMAS } from './openapi/schemas.js';

/** Names of the metadata of `@nestjs/swagger`, which is not needed here: they are the same in 11 and 12. */
const EXCLUDE_CONTROLLER = 'swagger/apiExcludeController';
const OPERATION = 'swagger/apiOperation';
const PARAMETERS = 'swagger/apiParameters';
const RESPONSE = 'swagger/apiResponse';
const TAGS = 'swagger/apiUseTags';

/** Keeps a controller, and classes that extend it, out of the app's own document: what `@ApiExcludeController()` does. */
export function HiddenFromSwagger(): ClassDecorator {
  return (controller) => Reflect.defineMetadata(EXCLUDE_CONTROLLER, [true], controller);
}

/**
 * Brings a controller that extends one of the library's into the app's own document, with the schemas of its routes, as
 * `api: { swagger: true }` does for those that the library mounts. The schemas stand there in full, as the document has no
 * components but the app's.
 */
export function ShowInSwagger(): ClassDecorator {
  return (controller) => {
    Reflect.defineMetadata(EXCLUDE_CONTROLLER, [false], controller);
    Reflect.defineMetadata(TAGS, ['service-discovery'], controller);
    describeRoutes(controller.prototype as Record<string, unknown>);
  };
}

function describeRoutes(handlers: Record<string, unknown>): void {
  for (const [name, operation] of Object.entries(describeOperations())) {
    const handler = handlers[name];
    if (typeof handler !== 'function') continue;
    const { summary, parameters, requestBody, responses } = withoutReferences(operation, SCHEMAS);
    Reflect.defineMetadata(OPERATION, requestBody ? { summary, requestBody } : { summary }, handler);
    Reflect.defineMetadata(PARAMETERS, parameters, handler);
    Reflect.defineMetadata(RESPONSE, responses, handler);
  }
}
