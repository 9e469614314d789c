import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Type } from 'class-transformer';
import { IsInt, IsString, ValidateNested } from 'class-validator';
import { ResponseInvalidError } from '../common/index.js';
import { CallFixture, failure } from '../testing/call-fixture.js';
import { type ServiceCommunicator } from './communicator.js';
import { type StandardSchema } from './validate-answer.js';

class Address {
  @IsString() city!: string;
}

class User {
  @IsInt() id!: number;
  @ValidateNested() @Type(() => Address) address!: Address;

  get label(): string {
    return `${this.id} in ${this.address.city}`;
  }
}

/** What zod and valibot make of `{ id: number }`, with an output of another form. */
const ID: StandardSchema<bigint> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value) => {
      const { id } = value as { id?: unknown };
      if (typeof id === 'number') return { value: BigInt(id) };
      return { issues: [{ message: 'Expected number', path: ['items', { key: 0 }, 'id'] }] };
    },
  },
};

describe('callServiceJson() with a schema', () => {
  let stage: CallFixture;
  let communicator: ServiceCommunicator;
  const request = { path: '/users/1?token=secret' };

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b');
    communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
  });
  afterEach(() => stage.close());

  it('returns an instance of a DTO class, also of the classes within it', async () => {
    stage.transport.answer(() => ({ body: { id: 1, address: { city: 'Bern' } } }));
    const user: User = await communicator.callServiceJson('users', request, User);
    expect(user.label).toBe('1 in Bern');
    expect(user.address).toBeInstanceOf(Address);
  });

  it('names every wrong field of an answer, without its value and without the query', async () => {
    stage.transport.answer(() => ({ body: { id: 'hunter2', address: {} } }));
    const error = await failure(communicator.callServiceJson('users', request, User));
    expect(error).toBeInstanceOf(ResponseInvalidError);
    expect(error).toMatchObject({ code: 'RESPONSE_INVALID', service: 'users', request: 'GET /users/1' });
    expect((error as ResponseInvalidError).issues.map(({ path }) => path)).toEqual(['id', 'address.city']);
    expect(error.message).toContain(
      'GET /users/1 of users answered with an invalid body: id must be an integer number; address.city: city must be a string',
    );
    expect(error.message).not.toMatch(/hunter2|secret/);
  });

  it('refuses a list or a text where a class is expected', async () => {
    for (const body of [[{ id: 1 }], '"Ada"']) {
      stage.transport.answer(() => ({ body }));
      await expect(communicator.callServiceJson('users', request, User)).rejects.toThrow('must be an object');
    }
  });

  it('returns the output of a Standard Schema', async () => {
    stage.transport.answer(() => ({ body: { id: 7 } }));
    const id: bigint = await communicator.callServiceJson('users', request, ID);
    expect(id).toBe(7n);
  });

  it('names the fields that a Standard Schema finds wrong', async () => {
    stage.transport.answer(() => ({ body: {} }));
    await expect(communicator.callServiceJson('users', request, ID)).rejects.toMatchObject({
      issues: [{ path: 'items.0.id', message: 'Expected number' }],
    });
  });

  it('sends a call with an invalid answer once, and opens no circuit for it', async () => {
    stage.transport.answer(() => ({ body: {} }));
    for (let call = 1; call <= 3; call++) {
      await failure(communicator.callServiceJson('users', request, ID));
      expect(stage.transport.sent).toHaveLength(call);
    }
    expect(communicator.circuitBreakers().filter(({ state }) => state !== 'closed')).toEqual([]);
  });

  it('refuses what is no schema, before anything is sent', async () => {
    const error = await failure(communicator.callServiceJson('users', request, { type: 'object' } as never));
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('schema') });
    expect(stage.transport.sent).toEqual([]);
  });

  it.each<readonly unknown[]>([[User], [ID], [User, request], [ID, request]])(
    'refuses a schema before the request with the order of the two (%#)',
    async (...given) => {
      const call = communicator.callServiceJson.bind(communicator) as (...args: unknown[]) => Promise<unknown>;
      const error = await failure(call('users', ...given));
      expect(error.message).toContain(
        "expected the request before the schema, as in ('users', { path: '/' }, UserDto)",
      );
      expect(stage.transport.sent).toEqual([]);
    },
  );

  it('refuses a class without decorators by its name, before anything is sent', async () => {
    class Bare {
      id!: number;
    }
    const error = await failure(communicator.callServiceJson('users', request, Bare));
    expect(error).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(error.message).toContain(
      '(this class has none: give each field one, such as @IsString(), or leave the argument out), but got "class Bare"',
    );
    expect(stage.transport.sent).toEqual([]);
  });

  it('names a field whose class has no decorators', async () => {
    class Outer {
      @ValidateNested() inner!: object;
    }
    stage.transport.answer(() => ({ body: { inner: {} } }));
    const error = await failure(communicator.callServiceJson('users', request, Outer));
    expect(error.message).toContain('inner: its field needs @Type(() => ItsClass) of class-transformer');
    expect(error.message).not.toContain('undefined');
  });
});
