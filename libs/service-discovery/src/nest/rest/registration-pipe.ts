import { createParamDecorator, type ExecutionContext, Inject, Injectable, type PipeTransform } from '@nestjs/common';
import { isRecord, type Problem } from '../../common/index.js';
import { findHealthCheckProblems, type HostPolicy, WIRE_FORM } from '../../model/index.js';
import { HOST_POLICY } from '../tokens.js';
import { API_OPTIONS, type ApiOptions } from './api-options.js';
import { fieldsOf, readDto } from './dto-pipe.js';
import { RegisterServiceDto } from './dto/register-service.dto.js';
import { PathLimit } from './path-limit.js';
import { type BodyReading, readBody } from './request-body.js';
import { InvalidRequestError } from './rest-error.js';

/** The body of a registration, and where it comes from. */
interface SentRegistration {
  readonly body: BodyReading;
  /** The client's address: that of the socket, unless the app trusts its proxy (`trust proxy`). */
  readonly peer: string | undefined;
}

/** For {@link RegistrationPipe}, up to so many bytes. Guards have been asked before it is read. */
export const RawRegistration = createParamDecorator(
  async (limitBytes: number, context: ExecutionContext): Promise<SentRegistration> => {
    const request = context.switchToHttp().getRequest<Parameters<typeof readBody>[0] & { readonly ip?: string }>();
    return { body: await readBody(request, limitBytes), peer: request.ip };
  },
);

/** Checks a registration's fields and its host together, so that one answer names everything that is wrong. */
@Injectable()
export class RegistrationPipe implements PipeTransform<SentRegistration, Promise<RegisterServiceDto>> {
  constructor(
    @Inject(HOST_POLICY) private readonly hosts: HostPolicy,
    @Inject(PathLimit) private readonly paths: PathLimit,
    @Inject(API_OPTIONS) private readonly api: ApiOptions,
  ) {}

  async transform({ body, peer }: SentRegistration): Promise<RegisterServiceDto> {
    const { value, problems } = await readDto(RegisterServiceDto, fieldsOf(body));
    const wrong = new Set(problems.map(({ path }) => path));
    const refused = wrong.has('host') ? undefined : this.hosts.findRefusal(value.host, peer, value.service_name);
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

const INSTEAD =
  'unless the registry has `api.checkTargets: "any"`; a process that checks sets it in healthCheck.services';

/**
 * Finds health check settings that would send the checking process elsewhere: another port, a different host header, other
 * headers. They would let a registrant make requests to anything that the checking process can reach (SSRF).
 * @param path where the health check stands
 */
function findTargetProblems(
  { host, port, health_check: check }: Pick<RegisterServiceDto, 'host' | 'port' | 'health_check'>,
  path: string,
): Problem[] {
  if (!isRecord(check)) return [];
  const problems: Problem[] = [];
  const refuse = (field: string, value: unknown, expected: string): void =>
    void problems.push({ path: `${path}.${field}`, value, expected: `${expected}, ${INSTEAD}` });
  if (check.port !== undefined && check.port !== port) refuse('port', check.port, "the instance's own port");
  const isOwnHost = check.host === host || check.host === `${host}:${port}`;
  if (check.host !== undefined && !isOwnHost) refuse('host', check.host, "the instance's own host");
  if (check.headers !== undefined) refuse('headers', '***', 'none');
  return problems;
}
