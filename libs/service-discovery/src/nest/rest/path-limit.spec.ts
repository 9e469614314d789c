import { describe, expect, it } from '@jest/globals';
import { type HttpAdapterHost } from '@nestjs/core';
import { type RegisterServiceDto } from './dto/register-service.dto.js';
import { PathLimit } from './path-limit.js';

/** What is too long in a path of a server of this type and configuration. */
function tooLong(type: string, initialConfig: object | undefined, service_name: string): string[] {
  const httpAdapter = { getType: () => type, getInstance: () => ({ initialConfig }) };
  const limit = new PathLimit({ httpAdapter } as unknown as HttpAdapterHost);
  const registration = { service_name, instance_id: 'one' } as RegisterServiceDto;
  return limit.findProblems(registration, new Set()).map(({ path }) => path);
}

describe('the longest name that can stand in a path', () => {
  it.each([
    ['among the options of its router', { routerOptions: { maxParamLength: 10 } }],
    ['among its own options, in older versions', { maxParamLength: 10 }],
  ])('is what Fastify says %s', (_where, config) => {
    expect(tooLong('fastify', config, 'a'.repeat(10))).toEqual([]);
    expect(tooLong('fastify', config, 'a'.repeat(11))).toEqual(['service_name']);
  });

  it('has no bound where the server sets none', () => {
    expect(tooLong('fastify', undefined, 'a'.repeat(128))).toEqual([]);
    expect(tooLong('express', { maxParamLength: 10 }, 'a'.repeat(128))).toEqual([]);
  });
});
