import { parseArgs } from 'node:util';
import { UsageError } from './command-error.js';

/** Flags of `registry`. Undefined ones are left to the environment. */
export interface RegistryFlags {
  /** 0 to 65535; 0 takes any free port. */
  readonly port: number;
  readonly host: string;
  readonly token: string | undefined;
  readonly redisUrl: string | undefined;
  readonly namespace: string | undefined;
}

export const USAGE =
  'Usage: nest-service-discovery registry [--port <number>] [--host <address>] [--token <secret>] [--redis-url <url>] [--namespace <name>]';

export const HELP = `${USAGE}

Runs a registry: services register with it, it checks their health, and processes that have its URL as registryUrl follow it.

  --port <number>      The port to listen on; 0 takes any free one. Default: 3000
  --host <address>     The address to listen on. Default: 127.0.0.1, which only this machine reaches. Other machines need a host,
                       such as 0.0.0.0 for all addresses, and a token: without one, only this machine may use the registry.
  --token <secret>     The secret that those who register services send; several are separated by commas.
                       Default: SERVICE_DISCOVERY_TOKEN, which does not show in the list of processes
  --redis-url <url>    The Redis that holds the registrations. Default: SERVICE_DISCOVERY_REDIS_URL, else the memory of this process
  --namespace <name>   Which registry of that Redis. Default: SERVICE_DISCOVERY_NAMESPACE, else default
  --help               Prints this.

The other SERVICE_DISCOVERY_* variables, such as those of health checks, count too.
`;

/**
 * @returns undefined if help was requested
 * @throws UsageError
 */
export function readArguments(args: readonly string[]): RegistryFlags | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const [command, ...rest] = positionals;
  if (command === undefined) throw new UsageError('There is no command; the only one is "registry"');
  if (command !== 'registry') throw new UsageError(`Unknown command "${command}"; the only one is "registry"`);
  if (rest.length > 0) throw new UsageError(`Unexpected argument "${rest[0]}"`);
  // An empty host would make Node listen on all addresses.
  if (values.host === '') throw new UsageError('--host is empty: expected an address, such as 127.0.0.1');
  const { host, token, 'redis-url': redisUrl, namespace } = values;
  return { port: readPort(values.port), host, token, redisUrl, namespace };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        port: { type: 'string', default: '3000' },
        host: { type: 'string', default: '127.0.0.1' },
        token: { type: 'string' },
        'redis-url': { type: 'string' },
        namespace: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    // Drop the rest of Node's message, which is about file names that begin with a dash.
    throw new UsageError((error as Error).message.split('. ')[0]!);
  }
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new UsageError(`--port is "${text}": expected a number from 0 to 65535`);
}
