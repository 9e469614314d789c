import { messageOf, RegistryUnavailableError } from '../../common/index.js';
import { type RedisAddress } from './redis-url.js';

/** What is said by a server that is of another kind than the URL says. */
const OTHER_KINDS: Readonly<Record<RedisAddress['topology'], readonly (readonly [said: RegExp, hint: string])[]>> = {
  single: [
    [/^MOVED\b/, 'it is a node of a Cluster: then the URL begins with redis-cluster'],
    [/unknown command 'evalsha'/i, 'perhaps it is a Sentinel: then the URL begins with redis-sentinel'],
  ],
  sentinel: [
    [/unknown command 'sentinel'/i, 'it is no Sentinel: then the URL begins with redis://'],
    [/No such master/, 'the path of the URL names the primary as the Sentinels know it'],
  ],
  cluster: [[/cluster support disabled/, 'it is no Cluster: then the URL begins with redis://']],
};

/** What is said by a server that answers, and takes no writes. */
const REFUSALS_OF_WRITES: readonly (readonly [said: RegExp, hint: string])[] = [
  [/^OOM\b/, 'its memory is full: give it more, or take out what else fills it'],
  [/^NOREPLICAS\b/, 'fewer replicas keep up with it than min-replicas-to-write asks for'],
  [/^MISCONF\b/, 'it cannot save its data to disk'],
  [/^READONLY\b/, 'it is a replica'],
];

/** What the other end may have meant; undefined: nothing beyond what the error says. */
function hintFor(
  { code = '', message = '' }: Partial<NodeJS.ErrnoException>,
  { topology, tls }: Circumstances,
): string | undefined {
  const ofAnotherKind = topology && OTHER_KINDS[topology].find(([said]) => said.test(message));
  if (ofAnotherKind) return ofAnotherKind[1];
  const ofWrites = REFUSALS_OF_WRITES.find(([said]) => said.test(message));
  if (ofWrites) return ofWrites[1];
  if (/\bNOAUTH\b/.test(message)) return 'it asks for a password';
  if (/NOPERM|The user executing the script can't/.test(message)) {
    return 'the ACL user lacks a right that the registry needs: the README lists them';
  }
  if (/^(ERR_SSL|EPROTO)/.test(code)) return 'perhaps it does not speak TLS there, or asks for a certificate';
  if (/CERT|UNABLE_TO_/.test(code)) return 'its TLS certificate is not trusted: the option tls takes a CA of your own';
  // Who speaks no TLS may wait for a whole command, and so let the handshake wait.
  if (tls && code === 'ETIMEDOUT') return 'perhaps it does not speak TLS there';
  if (tls === undefined || !/closed|lost|did not answer|ECONNRESET|EPIPE/.test(`${message} ${code}`)) return undefined;
  return tls ? 'perhaps it does not speak TLS there' : 'perhaps it speaks TLS there: then the URL begins with rediss';
}

export interface Circumstances {
  /** Where Redis is. */
  readonly where: string;
  /** What the URL says that it is; undefined without a URL. */
  readonly topology: RedisAddress['topology'] | undefined;
  /** Whether TLS is spoken; undefined once there was an answer, so that TLS cannot be what is wrong. */
  readonly tls: boolean | undefined;
  /** What to say of a Redis that cannot be reached, where the error itself tells no more. */
  readonly unreachableHint?: string;
}

/** Redis did not answer in time. */
export class NoAnswerError extends Error {
  constructor(timeoutMs: number) {
    super(`it did not answer within ${timeoutMs} ms`);
  }
}

/** Errors of ioredis hold the command that failed, with its arguments: passwords, or what is registered. */
function withoutCommand(cause: unknown): unknown {
  const { command, lastNodeError, name, message, stack } = (cause ?? {}) as Partial<Error> & Record<string, unknown>;
  if (command === undefined && !lastNodeError) return cause;
  return Object.assign(new Error(message), { name, stack });
}

/** Why the registry in Redis is not available, with what to do where that is known. */
export function unavailableError(cause: unknown, circumstances: Circumstances): RegistryUnavailableError {
  const { name, code, message } = (cause ?? {}) as Partial<NodeJS.ErrnoException>;
  const refuses = name === 'ReplyError';
  const said = refuses ? 'refuses' : 'cannot be reached';
  const hint = hintFor({ code, message }, circumstances) ?? (refuses ? undefined : circumstances.unreachableHint);
  const end = hint === undefined ? '' : ` (${hint})`;
  return new RegistryUnavailableError(`Redis at ${circumstances.where} ${said}: ${messageOf(cause)}${end}`, {
    cause: withoutCommand(cause),
  });
}
