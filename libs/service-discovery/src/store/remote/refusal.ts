import {
  InvalidInstanceError,
  LeaseLostError,
  RegistryUnavailableError,
  ServiceDiscoveryError,
  type Problem,
} from '../../common/index.js';
import { HostNotAllowedError, type InstanceKey } from '../../model/index.js';

/** The fields of an error body that are read here. */
interface ErrorFields {
  readonly code?: string;
  readonly message?: string;
  readonly problems?: readonly { readonly field: string; readonly value: unknown; readonly expected: string }[];
  readonly reason?: string;
  readonly retry_after_ms?: number;
  readonly refused_by?: string;
}

const PREFIX_HINT = "A global prefix of the registry's app belongs at its end: http://host:3000/api";
/** The end of a URL that has the path of the REST API twice. */
const DOUBLED_PATH = /(\/.+)\1$/;
const WAY_IN =
  "Set `remote.token` or SERVICE_DISCOVERY_TOKEN to the registry's shared token, or `remote.headers` to what its guard asks for";

/** The way past what refuses requests before the registry has looked at their token. */
const WAY_PAST_GUARD =
  'put `api: { decorators: [Public()] }` into its ServiceDiscoveryModule.forRoot, with the decorator by which that guard lets routes pass';

/**
 * The error for an answer of the registry. An answer about the request itself becomes the library's error of the same
 * code; any other answer becomes a `RegistryUnavailableError`.
 * @param subject the instance that the request was about, with its host for a registration
 */
export function toError(
  url: string,
  answer: { readonly status: number; readonly body: unknown },
  subject?: InstanceKey & { readonly host?: string },
): ServiceDiscoveryError {
  const fields = fieldsOf(answer.body);
  const { code, message = '', problems = [], reason, retry_after_ms: retryAfterMs } = fields;
  const details = { service: subject?.serviceName, instanceId: subject?.instanceId };
  if (answer.status === 401 || answer.status === 403) {
    if (code === undefined || fields.refused_by !== undefined) {
      const who = `A guard of the registry app${code === undefined ? ', or a proxy before it,' : ''}`;
      return new RegistryUnavailableError(
        `${who} refused it (HTTP ${answer.status} from ${url}) before the registry looked at its token: ${WAY_PAST_GUARD}`,
        details,
      );
    }
    const reason = message && `: ${message.replace(/\.$/, '')}`;
    if (code === 'ACCESS_DENIED') {
      return new RegistryUnavailableError(`The registry at ${url} refuses it${reason}`, details);
    }
    return new RegistryUnavailableError(
      `The registry at ${url} does not let this process in (status ${answer.status})${reason}. ${WAY_IN}`,
      details,
    );
  }
  switch (code) {
    case 'INVALID_INSTANCE':
      return new InvalidInstanceError(problems.map(toProblem));
    case 'HOST_NOT_ALLOWED':
      return new HostNotAllowedError(subject?.host ?? '', reason ?? message);
    case 'LEASE_LOST':
      return new LeaseLostError(subject?.serviceName ?? '', subject?.instanceId ?? '');
    case 'INVALID_REQUEST':
      return new ServiceDiscoveryError('INVALID_REQUEST', `The registry at ${url} refused: ${message}`, details);
    case undefined:
      return new RegistryUnavailableError(
        `The registry at ${url} answered with status ${answer.status}, and not as a registry does: ${pathHint(url)}`,
        details,
      );
    default:
      return new RegistryUnavailableError(`The registry at ${url} answered with status ${answer.status}: ${message}`, {
        ...details,
        retryAfterMs,
      });
  }
}

function pathHint(url: string): string {
  const path = DOUBLED_PATH.exec(url)?.[1];
  if (path === undefined) return `is the path right? ${PREFIX_HINT}`;
  return `leave out ${path} at the end of the registry's URL, since it is added (remote.path)`;
}

function fieldsOf(body: unknown): ErrorFields {
  const error = (body as { error?: unknown } | null | undefined)?.error;
  return typeof error === 'object' && error !== null ? error : {};
}

/** Converts field names to those of the library. */
function toProblem({ field, value, expected }: { field: string; value: unknown; expected: string }): Problem {
  return { path: field.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase()), value, expected };
}
