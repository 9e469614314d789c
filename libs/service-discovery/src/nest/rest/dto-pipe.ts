import { createParamDecorator, type ExecutionContext, Injectable, type PipeTransform, type Type } from '@nestjs/common';
import { isRecord, type Problem } from '../../common/index.js';
import { loadClassValidator } from './dto/rule.js';
import { type BodyReading, readBody } from './request-body.js';
import { InvalidRequestError, PayloadTooLargeError } from './rest-error.js';

/** The body of a request of the API, for {@link BodyPipe}, up to so many bytes. Guards have been asked before it is read. */
export const RawBody = createParamDecorator((limitBytes: number, context: ExecutionContext): Promise<BodyReading> =>
  readBody(context.switchToHttp().getRequest(), limitBytes),
);

/** The query of a request as the app's parser left it, for {@link QueryPipe}. */
export const RawQuery = createParamDecorator(
  (_data: unknown, context: ExecutionContext): unknown =>
    context.switchToHttp().getRequest<{ readonly query: unknown }>().query,
);

/** Makes an instance of a DTO out of a body, or refuses it with every wrong and every unknown field. */
@Injectable()
export class BodyPipe<T extends object> implements PipeTransform<BodyReading, Promise<T>> {
  constructor(
    private readonly dto: Type<T>,
    private readonly options: {
      readonly optional?: boolean;
      readonly code?: 'INVALID_REQUEST' | 'INVALID_INSTANCE';
    } = {},
  ) {}

  async transform(body: BodyReading): Promise<T> {
    if (body.kind === 'none' && this.options.optional) return new this.dto();
    const fields = fieldsOf(body);
    const { value, problems } = await readDto(this.dto, fields);
    if (problems.length > 0) throw new InvalidRequestError(problems, this.options.code);
    return value;
  }
}

/** Makes an instance of a DTO out of a query string. An empty parameter counts as left out, unless it is to be kept. */
@Injectable()
export class QueryPipe<T extends object> implements PipeTransform<unknown, Promise<T>> {
  constructor(
    private readonly dto: Type<T>,
    private readonly options: { /** @default none */ readonly keepEmpty?: readonly (keyof T & string)[] } = {},
  ) {}

  async transform(query: unknown): Promise<T> {
    const keepEmpty: readonly string[] = this.options.keepEmpty ?? [];
    const given = Object.entries((query ?? {}) as Record<string, unknown>).filter(
      ([name, value]) => value !== '' || keepEmpty.includes(name),
    );
    const { value, problems } = await readDto(this.dto, Object.fromEntries(given));
    if (problems.length > 0) throw new InvalidRequestError(problems);
    return value;
  }
}

/** The fields of a body that is a JSON object. @throws InvalidRequestError, PayloadTooLargeError for what is none */
export function fieldsOf(body: BodyReading): Readonly<Record<string, unknown>> {
  const refuse = (value: unknown, expected: string): never => {
    throw new InvalidRequestError([{ path: 'body', value, expected }]);
  };
  switch (body.kind) {
    case 'none':
      return refuse(undefined, 'a JSON object');
    case 'malformed':
      return refuse(undefined, `a JSON object (${body.problem})`);
    case 'wrong_type':
      return refuse(
        body.contentType,
        'a JSON object, sent with content-type application/json and without content-encoding',
      );
    case 'too_large':
      throw new PayloadTooLargeError(body.limitBytes);
    case 'json': {
      const { value } = body;
      return isRecord(value) ? value : refuse(value, 'a JSON object');
    }
  }
}

/** Reads known fields only: whatever else an object holds, `__proto__` too, is a problem and goes nowhere. */
export async function readDto<T extends object>(
  dto: Type<T>,
  fields: Readonly<Record<string, unknown>>,
): Promise<{ value: T; problems: Problem[] }> {
  const { getMetadataStorage, validate } = await loadClassValidator();
  const known = new Set(
    getMetadataStorage()
      .getTargetValidationMetadatas(dto, '', false, false)
      .map(({ propertyName }) => propertyName),
  );
  const value = new dto();
  for (const name of known) if (Object.hasOwn(fields, name)) Object.assign(value, { [name]: fields[name] });
  const problems = (await validate(value)).flatMap(({ property, value: wrong, constraints = {} }) =>
    Object.values(constraints).map((expected): Problem => ({ path: property, value: wrong, expected })),
  );
  for (const name of Object.keys(fields)) {
    if (!known.has(name))
      problems.push({ path: name, value: fields[name], expected: `one of the fields ${[...known].join(', ')}` });
  }
  return { value, problems };
}
