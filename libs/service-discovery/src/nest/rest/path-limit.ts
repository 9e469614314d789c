import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type Problem } from '../../common/index.js';
import { type RegisterServiceDto } from './dto/register-service.dto.js';

interface RouterOptions {
  readonly maxParamLength?: number;
}

interface FastifyConfig {
  /** Older versions have the router's options among their own. */
  readonly initialConfig?: RouterOptions & { readonly routerOptions?: RouterOptions };
}

/**
 * Fastify's router answers 414 where a name in a path is longer than its `maxParamLength`, 100 unless the app says
 * otherwise. An instance with a longer one could register, and then never be renewed nor deregistered.
 */
@Injectable()
export class PathLimit {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  /**
   * Finds the names of a registration that are too long for a path.
   * @param wrong the fields that have another problem, which are left alone
   */
  findProblems(registration: RegisterServiceDto, wrong: ReadonlySet<string>): Problem[] {
    const { service_name: name, instance_id: given, host, port } = registration;
    const id = given === undefined && !wrong.has('host') && !wrong.has('port') ? `${host}:${port}` : given;
    const limit = this.limit();
    return Object.entries({ service_name: name, instance_id: id })
      .filter(([path, text]) => !wrong.has(path) && (text?.length ?? 0) > limit)
      .map(([path, value]) => ({ path, value, expected: `at most ${limit} characters, as this server's router says` }));
  }

  private limit(): number {
    if (this.host.httpAdapter.getType() !== 'fastify') return Number.POSITIVE_INFINITY;
    const { initialConfig } = this.host.httpAdapter.getInstance<FastifyConfig>();
    const { maxParamLength } = initialConfig?.routerOptions ?? initialConfig ?? {};
    return maxParamLength ?? Number.POSITIVE_INFINITY;
  }
}
