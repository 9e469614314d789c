import { messageOf, RegistryUnavailableError } from '../../common/index.js';

/**
 * What the other end may have meant; undefined: nothing beyond what the error says.
 * @param tls see {@link Circumstances.tls}
 */
function hintFor({ code = '', message = '' }: Partial<NodeJS.ErrnoException>, tls?: boolean): string | undefined {
  if (/NOPERM|The user executing the script can't/.test(message)) {
    return 'the ACL user lacks a right that the registry needs: the README lists them';
  }
  if (/^(ERR_SSL|EPROTO)/.test(code)) return 'perhaps it does not speak TLS there, or asks for a certificate';
  if (/CERT|UNABLE_TO_/.test(code)) return 'its TLS certificate is not trusted: the option tls takes a CA of your own';
  // Who waits for a command does not answer the handshake, so that connecting takes too long.
  if (tls && code === 'ETIMEDOUT') return 'perhaps it does not speak TLS there';
  if (tls === undefined || !/closed|lost|did not answer|ECONNRESET|EPIPE/.test(`${message} ${code}`)) return undefined;
  return tls ? 'perhaps it does not speak TLS there' : 'perhaps it speaks TLS there: then the URL begins with rediss';
}

export interface Circumstances {
  /** Where Redis is. */
  readonly where: string;
  /** Whether TLS is spoken; undefined once there was an answer, so that TLS cannot be what is wrong. */
  readonly tls: boolean | undefined;
}

/** Errors of ioredis hold the command that failed, with its arguments: passwords, or what is registered. */
function withoutCommand(cause: unknown): unknown {
  const { command, lastNodeError, name, message, stack } = (cause ?? {}) as Partial<Error> & Record<string, unknown>;
  if (command === undefined && !lastNodeError) return cause;
  return Object.assign(new Error(message), { name, stack });
}

/** Why the registry in Redis is not available, with what to do where that is known. */
export function unavailableError(cause: unknown, { where, tls }: Circumstances): RegistryUnavailableError {
  const { name, code, message } = (cause ?? {}) as Partial<NodeJS.ErrnoException>;
  const said = name === 'ReplyError' ? 'refuses' : 'cannot be reached';
  const hint = hintFor({ code, message }, tls);
  const end = hint === undefined ? '' : ` (${hint})`;
  return new RegistryUnavailableError(`Redis at ${where} ${said}: ${messageOf(cause)}${end}`, {
    cause: withoutCommand(cause),
  });
}
