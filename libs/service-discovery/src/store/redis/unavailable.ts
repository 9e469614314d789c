import { durationText, messageOf, RegistryUnavailableError } from '../../common/index.js';
import { type RedisAddress } from './redis-url.js';

/** The errors of a server that is of another kind than the URL says. */
const OTHER_KINDS: Readonly<Record<RedisAddress['topology'], readonly (readonly [pattern: RegExp, hint: string])[]>> = {
  single: [
    [/^MOVED\b/, 'it is a node of a Cluster: use a redis-cluster:// URL'],
    [/unknown command 'evalsha'/i, 'perhaps it is a Sentinel: use a redis-sentinel:// URL'],
  ],
  sentinel: [
    [/unknown command 'sentinel'/i, 'it is not a Sentinel: use a redis:// URL'],
    [/No such master/, 'the path of the URL has to be the name of the primary in Sentinel'],
  ],
  cluster: [[/cluster support disabled/, 'it is not a Cluster: use a redis:// URL']],
};

/** The errors of a server that answers but refuses writes. */
const REFUSALS_OF_WRITES: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/^OOM\b/, 'its memory is full: give it more, or remove other data'],
  [/^NOREPLICAS\b/, 'fewer replicas are in sync than min-replicas-to-write requires'],
  [/^MISCONF\b/, 'it cannot save its data to disk'],
  [/^READONLY\b/, 'it is a replica'],
];

/** A likely cause and fix; undefined if none is known beyond the error itself. */
function hintFor(
  { code = '', message = '' }: Partial<NodeJS.ErrnoException>,
  { topology, tls }: Circumstances,
): string | undefined {
  const ofAnotherKind = topology && OTHER_KINDS[topology].find(([pattern]) => pattern.test(message));
  if (ofAnotherKind) return ofAnotherKind[1];
  const ofWrites = REFUSALS_OF_WRITES.find(([pattern]) => pattern.test(message));
  if (ofWrites) return ofWrites[1];
  if (/\bNOAUTH\b/.test(message)) return 'it requires a password';
  if (/NOPERM|The user executing the script can't/.test(message)) {
    return 'the ACL user lacks a permission that the registry needs: see docs/redis.md';
  }
  if (/^(ERR_SSL|EPROTO)/.test(code)) return 'perhaps it does not speak TLS there, or requires a client certificate';
  if (/CERT|UNABLE_TO_/.test(code)) return 'its TLS certificate is not trusted: set the option tls to a CA of your own';
  // A server without TLS may wait for a whole command, so that the handshake times out.
  if (tls && code === 'ETIMEDOUT') return 'perhaps it does not speak TLS there';
  if (tls === undefined || !/closed|lost|did not answer|ECONNRESET|EPIPE/.test(`${message} ${code}`)) return undefined;
  return tls ? 'perhaps it does not speak TLS there' : 'perhaps it requires TLS there: use a rediss:// URL';
}

export interface Circumstances {
  /** The address of Redis. */
  readonly where: string;
  /** The kind of server in the URL; undefined without a URL. */
  readonly topology: RedisAddress['topology'] | undefined;
  /** Whether TLS is used; undefined once there was an answer, since TLS cannot be the problem then. */
  readonly tls: boolean | undefined;
  /** A hint for a Redis that is unreachable, if the error itself has none. */
  readonly unreachableHint?: string;
}

/** Redis did not answer in time. */
export class NoAnswerError extends Error {
  constructor(timeoutMs: number) {
    super(`it did not answer within ${durationText(timeoutMs)}`);
  }
}

/** Removes the failed command from an ioredis error: its arguments may contain passwords and registrations. */
function withoutCommand(cause: unknown): unknown {
  const { command, lastNodeError, name, message, stack } = (cause ?? {}) as Partial<Error> & Record<string, unknown>;
  if (command === undefined && !lastNodeError) return cause;
  return Object.assign(new Error(message), { name, stack });
}

/** The error for an unavailable registry, with a hint if one is known. */
export function unavailableError(cause: unknown, circumstances: Circumstances): RegistryUnavailableError {
  const { name, code, message } = (cause ?? {}) as Partial<NodeJS.ErrnoException>;
  const refuses = name === 'ReplyError';
  const verb = refuses ? 'refuses' : 'cannot be reached';
  const hint = hintFor({ code, message }, circumstances) ?? (refuses ? undefined : circumstances.unreachableHint);
  const usual = refuses ? '' : '. Check that it runs, and that the address is right';
  const end = hint === undefined ? usual : ` (${hint})`;
  return new RegistryUnavailableError(`Redis at ${circumstances.where} ${verb}: ${messageOf(cause)}${end}`, {
    cause: withoutCommand(cause),
  });
}
