import { DEFAULT_API_OPTIONS } from '../api-options.js';
import { describeOperations } from './describe-operation.js';
import { OPERATIONS } from './operations.js';
import { SCHEMAS } from './schemas.js';

/** The OpenAPI document of the REST API, for clients in other languages: `openapi.json` in the package. */
export function openApiDocument(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [id, operation] of Object.entries(describeOperations())) {
    const { route } = OPERATIONS[id]!;
    const [method = '', path = ''] = route.split(' ');
    const template = path.replace(/:(\w+)/g, '{$1}');
    paths[template] = { ...paths[template], [method.toLowerCase()]: operation };
  }
  return {
    openapi: '3.0.3',
    info: {
      title: 'nest-service-discovery',
      description: 'Registration, discovery and health of services. Names in snake_case, times in ISO 8601.',
      version,
      license: { name: 'MIT' },
    },
    servers: [
      {
        url: `{registry}/${DEFAULT_API_OPTIONS.path}`,
        variables: {
          registry: { default: 'http://127.0.0.1:3000', description: 'With the global prefix of the app.' },
        },
      },
    ],
    // From the registry's own machine none is needed.
    security: [{ token: [] }, {}],
    paths,
    components: { schemas: SCHEMAS, securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  };
}
