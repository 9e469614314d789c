import { Inject, Injectable, type PipeTransform } from '@nestjs/common';
import { findHealthCheckProblems, HostNotAllowedError, type HostPolicy, WIRE_FORM } from '../../model/index.js';
import { API_OPTIONS, type ApiOptions } from './api-options.js';
import { findTargetProblems } from './check-target.js';
import { RegisterServiceDto } from './dto/register-service.dto.js';
import { fieldsOf, readDto } from './dto-pipe.js';
import { PathLimit } from './path-limit.js';
import { type BodyReading } from './request-body.js';
import { InvalidRequestError } from './rest-error.js';

/** The hosts that may register: a `HostPolicy`. */
export const HOST_POLICY = Symbol('nest-service-discovery:host-policy');

/** Checks a registration's fields and its host together, so that one answer names everything that is wrong. */
@Injectable()
export class RegistrationPipe implements PipeTransform<BodyReading, Promise<RegisterServiceDto>> {
  constructor(
    @Inject(HOST_POLICY) private readonly hosts: HostPolicy,
    @Inject(PathLimit) private readonly paths: PathLimit,
    @Inject(API_OPTIONS) private readonly api: ApiOptions,
  ) {}

  async transform(body: BodyReading): Promise<RegisterServiceDto> {
    const { value, problems } = await readDto(RegisterServiceDto, fieldsOf(body));
    const wrong = new Set(problems.map(({ path }) => path));
    const reason = wrong.has('host') ? undefined : this.hosts.findProblem(value.host);
    const refused = reason === undefined ? undefined : new HostNotAllowedError(value.host, reason);
    if (value.health_check !== undefined && !wrong.has('health_check')) {
      problems.push(...findHealthCheckProblems(value.health_check, 'health_check', value.service_name, WIRE_FORM));
    }
    if (this.api.checkTargets === 'own') problems.push(...findTargetProblems(value, 'health_check'));
    problems.push(...this.paths.findProblems(value, wrong));
    if (problems.length > 0)
      throw new InvalidRequestError([...problems, ...(refused?.problems ?? [])], 'INVALID_INSTANCE');
    if (refused) throw refused;
    return value;
  }
}
