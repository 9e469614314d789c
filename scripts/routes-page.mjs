/** Every route of the REST API as a page, made of its description. */

/** Answers that every route may give: access, and requests that are wrong. They stand once, at the top. */
const COMMON = ['400', '401', '403'];

/** @param document the OpenAPI document */
export function routesPage({ paths, components, info, servers }) {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
  );
  const [{ responses }] = operations;
  return [
    '# REST API, every route',
    `Made of [openapi.json](/openapi.json){target="_self"}, which the package has as \`nest-service-discovery/openapi.json\`. ${info.description} Paths are below \`${servers[0].url}\`.`,
    'By task, with `curl` lines: [REST API](/reference/rest).',
    'Every route may also answer with these, and an `Error` as the body:',
    table(
      ['status', 'code'],
      COMMON.map((status) => [status, responses[status].description]),
    ),
    ...operations.map(operationOf),
    '## Types',
    ...Object.entries(components.schemas).map(([name, schema]) => `### ${name}\n\n${typeOf(schema)}`),
  ].join('\n\n');
}

function operationOf({ method, path, summary, parameters = [], requestBody, responses }) {
  const answers = Object.entries(responses)
    .filter(([status]) => !COMMON.includes(status))
    .map(([status, { description, content }]) => [status, Number(status) < 300 ? bodyOf(content) : description]);
  return [
    `## \`${method} ${path}\``,
    `${summary}.`,
    ...(requestBody ? [`Body: ${bodyOf(requestBody.content)}${requestBody.required ? '' : ', optional'}`] : []),
    ...(parameters.length > 0
      ? [
          table(
            ['parameter', 'in', 'type', ''],
            parameters.map((given) => [
              `\`${given.name}\``,
              given.in,
              shape(given.schema),
              given.schema.description ?? '',
            ]),
          ),
        ]
      : []),
    table(['status', 'answer'], answers),
  ].join('\n\n');
}

function bodyOf(content) {
  if (content === undefined) return 'no body';
  const [[type, { schema = {} }]] = Object.entries(content);
  return type === 'application/json' ? shape(schema) : `\`${type}\``;
}

function typeOf({ description, properties, required = [], ...schema }) {
  if (properties === undefined) return [description, shape(schema)].filter(Boolean).join('\n\n');
  const rows = Object.entries(properties).map(([name, field]) => [
    `\`${name}\`${required.includes(name) ? '' : '?'}`,
    shape(field),
    field.description ?? '',
  ]);
  return [...(description ? [description] : []), table(['field', 'type', ''], rows)].join('\n\n');
}

/** A type in a few words, with links to named ones. */
function shape(schema = {}) {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1);
    return `[${name}](#${name.toLowerCase()})`;
  }
  const variants = schema.oneOf ?? schema.anyOf;
  if (variants) return variants.map(shape).join(' or ');
  if (schema.allOf) return schema.allOf.map(shape).join(' and ');
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  const types = [schema.type ?? 'any'].flat();
  return types.map((type) => (type === 'array' ? `list of ${shape(schema.items)}` : type)).join(' or ');
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
