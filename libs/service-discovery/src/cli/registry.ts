import { type AddressInfo, type Server } from 'node:net';
import { ConsoleLogger, type INestApplication } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { InvalidConfigurationError } from '../common/index.js';
import { originOf } from '../model/index.js';
import { ServiceDiscoveryDashboardModule } from '../nest/dashboard/index.js';
import { resolveServiceDiscoveryOptions, ServiceDiscoveryModule, type ServiceDiscoveryOptions } from '../nest/index.js';
import { CommandError, UsageError } from './command-error.js';
import { missingPackage } from './missing-package.js';

/** Flags of `registry`. Undefined ones are left to the environment. */
export interface RegistryFlags {
  /** 0 to 65535; 0 takes any free port. */
  readonly port: number;
  readonly host: string;
  readonly token: string | undefined;
  readonly redisUrl: string | undefined;
  readonly namespace: string | undefined;
}

/** Runs until SIGTERM or SIGINT. @throws CommandError */
export async function runRegistry(flags: RegistryFlags): Promise<void> {
  const options = optionsOf(flags);
  check(options);
  const { stdout, env } = process;
  const logger = new RegistryLogger({ colors: Boolean(stdout.isTTY) && !env.NO_COLOR });
  const imports = [ServiceDiscoveryModule.forRoot(options), ServiceDiscoveryDashboardModule];
  const module = { module: class Registry {}, imports };
  const app = await NestFactory.create<INestApplication<Server>>(module, await loadHttpAdapter(), {
    logger,
    abortOnError: false,
  });
  const ended = endsBySignal(app);
  await listen(app, flags);
  const url = urlOf(app, flags);
  logger.log(`The registry listens on ${url} with its dashboard at ${url}/service-discovery/ui`, 'Registry');
  await ended;
}

function optionsOf({ token, redisUrl, namespace }: RegistryFlags): ServiceDiscoveryOptions {
  return {
    ...(token !== undefined && { api: { token } }),
    ...(redisUrl !== undefined && { redis: { url: redisUrl } }),
    ...(namespace !== undefined && { namespace }),
  };
}

/** Flag by the option that it sets. */
const FLAGS: Readonly<Record<string, string>> = {
  'api.token': '--token',
  'redis.url': '--redis-url',
  namespace: '--namespace',
};

function check(options: ServiceDiscoveryOptions): void {
  let mode;
  try {
    ({ mode } = resolveServiceDiscoveryOptions(options, process.env));
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    const problems = error.problems.map((problem) => ({ ...problem, path: FLAGS[problem.path] ?? problem.path }));
    const { message } = new InvalidConfigurationError(problems);
    throw problems.some(({ path }) => path.startsWith('--')) ? new UsageError(message) : new CommandError(message);
  }
  if (mode !== 'remote') return;
  throw new CommandError(
    'SERVICE_DISCOVERY_REGISTRY_URL or SERVICE_DISCOVERY_MODE makes this process follow another registry: unset it to run one here',
  );
}

/** Express or Fastify, whichever is installed. */
async function loadHttpAdapter(): Promise<AbstractHttpAdapter> {
  const loaders = [
    () => import('@nestjs/platform-express').then(({ ExpressAdapter }) => new ExpressAdapter()),
    () => import('@nestjs/platform-fastify').then(({ FastifyAdapter }) => new FastifyAdapter()),
  ];
  for (const load of loaders) {
    try {
      return await load();
    } catch (error) {
      if (missingPackage(error) === undefined) throw error;
    }
  }
  throw new CommandError(
    'The registry needs an HTTP platform of Nest, in the version of your @nestjs/core: npm install @nestjs/platform-express ' +
      '(or @nestjs/platform-fastify)',
  );
}

/** Suppresses Nest's own messages of the start, such as a line for each route. */
class RegistryLogger extends ConsoleLogger {
  private static readonly ofNest = [
    'NestFactory',
    'InstanceLoader',
    'RoutesResolver',
    'RouterExplorer',
    'NestApplication',
  ];

  override log(message: unknown, ...rest: unknown[]): void {
    if (!RegistryLogger.ofNest.includes(String(rest.at(-1)))) super.log(message, ...rest);
  }

  /** A port that cannot be listened on is told at the end of the command. */
  override error(message: unknown, ...rest: unknown[]): void {
    if (rest.at(-1) !== 'NestApplication') super.error(message, ...rest);
  }
}

/** Closes the app on the first signal; a second one ends the process at once. */
function endsBySignal(app: INestApplication): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(app.close()));
  });
}

/** Uses the host that the server is bound to: Nest would show 0.0.0.0 as 127.0.0.1. */
function urlOf(app: INestApplication<Server>, { host }: RegistryFlags): string {
  const { port } = app.getHttpServer().address() as AddressInfo;
  return originOf({ protocol: 'http', host, port });
}

async function listen(app: INestApplication, { port, host }: RegistryFlags): Promise<void> {
  try {
    await app.listen(port, host);
  } catch (error) {
    await app.close();
    throw new CommandError(
      `The registry cannot listen on ${host}, port ${port}: ${(error as Error).message}. --port and --host choose another`,
    );
  }
}
