import { isRecord, type Problem } from '../../common/index.js';
import { type RegisterServiceDto } from './dto/register-service.dto.js';

const INSTEAD =
  'unless the registry has `api.checkTargets: "any"`; a process that checks sets it in healthCheck.services';

/**
 * Finds what a registration asks of its health check that leads the checking process elsewhere: another port, a host
 * header of another host, headers. With them, checks would read whatever the checking process can reach.
 * @param path where the health check stands
 */
export function findTargetProblems(
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
