import { type Operation, OPERATIONS } from './operations.js';
import { reference, type Schema, text } from './schema.js';

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required: boolean;
  readonly schema: Schema;
}

/** A route in the terms of OpenAPI. */
export interface OperationObject {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

const PATH_PARAMETERS: Readonly<Record<string, Schema>> = {
  name: text('The name of a service.'),
  id: text('The id of an instance.'),
  tag: text('A tag.'),
};

const NOT_LET_IN = {
  401: 'UNAUTHORIZED: it needs the token of the registry',
  403: 'FORBIDDEN: the token is wrong, or without one only this machine may do that; ACCESS_DENIED: the caller may not',
};

/** The routes of the API by the names of their handlers. */
export function describeOperations(): Readonly<Record<string, OperationObject>> {
  return Object.fromEntries(Object.entries(OPERATIONS).map(([id, operation]) => [id, describe(id, operation)]));
}

function describe(operationId: string, operation: Operation): OperationObject {
  const { route, summary, query = {}, body, bodyIsOptional = false, answers, errors = {} } = operation;
  const inPath = [...route.matchAll(/:(\w+)/g)].map(([, name]) => name!);
  const parameters = [
    ...inPath.map((name) => ({ name, in: 'path' as const, required: true, schema: PATH_PARAMETERS[name]! })),
    ...Object.entries(query).map(([name, schema]) => ({ name, in: 'query' as const, required: false, schema })),
  ];
  const takesInput = body !== undefined || Object.keys(query).length > 0;
  const allErrors = {
    ...(takesInput && { 400: 'INVALID_REQUEST, or another code that names what is wrong with it' }),
    ...NOT_LET_IN,
    ...(body !== undefined && { 413: 'PAYLOAD_TOO_LARGE' }),
    ...errors,
  };
  return {
    operationId,
    summary,
    parameters,
    ...(body !== undefined && { requestBody: { required: !bodyIsOptional, content: json(body) } }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, what]) => [status, answerOf(what)])),
      ...Object.fromEntries(
        Object.entries(allErrors).map(([status, description]) => [status, { description, content: json('Error') }]),
      ),
    },
  };
}

function answerOf(what: Operation['answers'][number]): OperationObject['responses'][string] {
  if (what === 'nothing') return { description: 'Done' };
  const content = what.includes('/') ? { [what]: { schema: text() } } : json(what);
  return { description: 'What was asked for', content };
}

function json(name: string): Content {
  return { 'application/json': { schema: reference(name) } };
}
