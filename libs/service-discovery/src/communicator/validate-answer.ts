import type * as classTransformer from 'class-transformer';
import type * as classValidator from 'class-validator';
import { isRecord, messageOf, nameOfRequest, ResponseInvalidError, type AnswerIssue } from '../common/index.js';
import { IN_ORDER, kindOf, reject, type ServiceCallRequest } from './request.js';

/**
 * A schema of the [Standard Schema](https://standardschema.dev) interface, version 1, which zod, valibot, ArkType and others
 * have. These are its types; none of them is a dependency.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a {@link StandardSchema} finds: the value, or what is wrong with it. */
export type StandardResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A class whose fields have decorators of class-validator. */
export type DtoClass<T extends object = object> = new () => T;

/** What an answer is validated by. */
export type AnswerSchema = StandardSchema | DtoClass;

/** Validates the parsed body of an answer. @throws ResponseInvalidError; ServiceDiscoveryError `INVALID_REQUEST` for no schema */
export async function validateAnswer(
  answer: unknown,
  schema: AnswerSchema,
  service: string,
  { method = 'GET', path }: ServiceCallRequest,
): Promise<unknown> {
  const result = await (isStandardSchema(schema) ? byStandard(answer, schema) : byDto(answer, schema));
  if ('value' in result) return result.value;
  const request = nameOfRequest({ method: method.toUpperCase(), path });
  throw new ResponseInvalidError(result.issues, { service, request });
}

type Validated = { readonly value: unknown } | { readonly issues: readonly AnswerIssue[] };

const SCHEMA_EXPECTED = 'a class with decorators of class-validator, or a schema of zod, valibot or alike';

/** @throws ServiceDiscoveryError `INVALID_REQUEST`, before anything is sent */
export async function checkSchema(service: string, schema: unknown): Promise<void> {
  if (isStandardSchema(schema)) return;
  if (isRecord(schema) && 'path' in schema) reject(service, 'schema', kindOf(schema), IN_ORDER);
  if (typeof schema !== 'function') reject(service, 'schema', schema, SCHEMA_EXPECTED);
  const { getMetadataStorage } = await loadValidator();
  if (getMetadataStorage().getTargetValidationMetadatas(schema, '', false, false).length > 0) return;
  const wayOut = '(this class has none: give each field one, such as @IsString(), or leave the argument out)';
  reject(service, 'schema', `class ${schema.name}`, `${SCHEMA_EXPECTED} ${wayOut}`);
}

/** Schemas of some libraries are functions. */
function isStandardSchema(schema: unknown): schema is StandardSchema {
  const { '~standard': standard } = (schema ?? {}) as { readonly '~standard'?: { readonly validate?: unknown } };
  return typeof standard?.validate === 'function';
}

async function byStandard(answer: unknown, schema: StandardSchema): Promise<Validated> {
  const result = await schema['~standard'].validate(answer);
  if (!result.issues) return { value: result.value };
  const pathOf = ({ path = [] }: StandardIssue): string =>
    path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return { issues: result.issues.map((issue) => ({ path: pathOf(issue), message: issue.message })) };
}

interface Fault {
  /** Undefined: the value itself, whose class has no decorators. */
  readonly property: string | undefined;
  readonly constraints?: Readonly<Record<string, string>>;
  readonly children?: readonly Fault[];
}

const NO_DECORATED_CLASS =
  'its field needs @Type(() => ItsClass) of class-transformer, with a class that has decorators of class-validator';

async function byDto(answer: unknown, dto: DtoClass): Promise<Validated> {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
    return { issues: [{ path: '', message: `must be an object, as ${dto.name} is one` }] };
  }
  const [{ validate }, transformer] = await Promise.all([loadValidator(), loadTransformer()]);
  const value = transformer ? transformer.plainToInstance(dto, answer) : Object.assign(new dto(), answer);
  const faults = (await validate(value)) as readonly Fault[];
  return faults.length === 0 ? { value } : { issues: faults.flatMap((fault) => issuesOf(fault, '')) };
}

function issuesOf({ property, constraints = {}, children = [] }: Fault, parent: string): AnswerIssue[] {
  if (property === undefined) return [{ path: parent, message: NO_DECORATED_CLASS }];
  const path = parent === '' ? property : `${parent}.${property}`;
  const own = Object.values(constraints).map((message) => ({ path, message }));
  return [...own, ...children.flatMap((child) => issuesOf(child, path))];
}

/** Loaded at the first answer of a class, since class-validator takes longer to import than this library. */
async function loadValidator(): Promise<typeof classValidator> {
  try {
    return await import('class-validator');
  } catch (error) {
    throw new Error(`An answer can be validated by a class only with class-validator: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Makes instances of nested classes (`@Type`). Without it, the fields of the answer are those of the instance. */
async function loadTransformer(): Promise<typeof classTransformer | undefined> {
  try {
    return await import('class-transformer');
  } catch {
    return undefined;
  }
}
