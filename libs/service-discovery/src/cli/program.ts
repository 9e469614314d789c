import { Command, InvalidArgumentError, Option } from 'commander';
import { RegistryClient } from '../client/index.js';
import { InvalidConfigurationError } from '../common/index.js';
import { CommandError, UsageError } from './command-error.js';
import { completionOf } from './completion.js';
import { diagnose } from './doctor/index.js';
import {
  showCircuits,
  showExplanation,
  showInstances,
  showServices,
  showStatus,
  watchEvents,
  type Task,
} from './look.js';
import { addKong } from './kong.js';
import { missingPackage } from './missing-package.js';
import { setCircuit, setStatus } from './operate.js';
import { Output } from './output.js';
import { type RegistryFlags } from './registry.js';
import { setShare, showSplit } from './split.js';

const DEFAULT_URL = 'http://127.0.0.1:3000';

/** The world that the command runs in. */
export interface CommandWorld {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;
  /** Aborts at SIGINT and SIGTERM, for commands that run until then. */
  readonly ended: () => AbortSignal;
  /** Called by a command that found something wrong. */
  readonly onFinding: () => void;
}

interface GlobalFlags {
  readonly url: string;
  readonly token?: string;
  readonly json?: boolean;
}

/**
 * The command line. `parseAsync` rejects with a `CommandError`, or commander's own error for wrong usage.
 */
export function makeProgram(world: CommandWorld): Command {
  const program = new Command('nest-service-discovery')
    .description('Looks at a registry of services, operates it, and runs one.')
    .addOption(
      new Option('--url <url>', 'the process to ask: any that serves the API')
        .env('SERVICE_DISCOVERY_REGISTRY_URL')
        .default(DEFAULT_URL),
    )
    .addOption(new Option('--token <secret>', 'the shared token of the registry').env('SERVICE_DISCOVERY_TOKEN'))
    .option('--json', 'print JSON, as wherever the output is no terminal')
    .option('--no-json', 'print tables everywhere')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      writeErr: (text) => void world.stderr.write(text),
      // The caller prints it, with the usage of the command.
      outputError: () => undefined,
    })
    .addHelpText('after', '\nExit codes: 0; 1: something is wrong, or the registry cannot be asked; 2: wrong usage.');

  const ask = async (command: Command, task: Task): Promise<void> => {
    const { url, token, json } = command.optsWithGlobals<GlobalFlags>();
    const registry = connect(url, token);
    try {
      const finding = await task(registry, new Output(world.stdout, json, world.env));
      if (finding) world.onFinding();
    } finally {
      await registry.close();
    }
  };

  program
    .command('status')
    .description('Shows how all services are, what is wrong and what that breaks')
    .action((_flags, command: Command) => ask(command, showStatus));

  program
    .command('services')
    .description('Lists all services')
    .option('--failing', 'only those that are degraded or unhealthy')
    .option('--tag <tag>', 'only those that have an instance with this tag')
    .action((flags: { failing?: boolean; tag?: string }, command: Command) =>
      ask(command, (registry, out) => showServices(registry, out, flags)),
    );

  program
    .command('instances')
    .description('Lists the instances of a service, or of all: address, status, and why')
    .argument('[service]')
    .action((service: string | undefined, _flags, command: Command) =>
      ask(command, (registry, out) => showInstances(registry, out, service)),
    );

  program
    .command('watch')
    .description('Prints what happens in the process that is asked, until you end it')
    .argument('[service]', 'only what is about this service')
    .action((service: string | undefined, _flags, command: Command) =>
      ask(command, (registry, out) => watchEvents(registry, out, service, world.ended())),
    );

  addCriteria(program.command('explain'))
    .description('Shows which instances would take a call of the process that is asked, which would not, and why')
    .argument('<service>')
    .option('--key <key>', 'the key that hash strategies go by')
    .option('--path <path>', 'the path of the call', '/')
    .action((service: string, flags: Criteria & { key?: string; path: string }, command: Command) =>
      ask(command, (registry, out) =>
        showExplanation(registry, out, service, { ...toQuestion(flags), key: flags.key, path: flags.path }),
      ),
    );

  addCriteria(program.command('doctor'))
    .description('Finds why a service is not found, not healthy, cut off or called unevenly, and the cure')
    .argument('<service>')
    .addOption(
      new Option('--problem <problem>', 'look at one problem only').choices([
        'discovery',
        'health',
        'circuit',
        'balancing',
      ]),
    )
    .action((service: string, flags: Criteria & { problem?: string }, command: Command) =>
      ask(command, (registry, out) => diagnose(registry, out, service, toQuestion(flags), flags.problem)),
    );

  for (const [name, status, what] of [
    ['drain', 'draining', 'Lets an instance finish its calls, and sends it no new ones'],
    ['maintenance', 'maintenance', 'Takes an instance out of traffic'],
    ['up', 'up', 'Ends draining and maintenance'],
  ] as const) {
    program
      .command(name)
      .description(what)
      .argument('<service>')
      .argument('<instance>')
      .option('--reason <text>', 'why, for those who see its status')
      .action((service: string, instance: string, { reason }: { reason?: string }, command: Command) =>
        ask(command, (registry, out) => setStatus(registry, out, [service, instance], status, reason)),
      );
  }

  program
    .command('circuits')
    .description('Shows the circuits of the process that is asked, or sets one')
    .argument('[service]')
    .argument('[instance]', 'with --set: the instance; without it, the circuit of the service as a whole')
    .addOption(
      new Option('--set <state>', 'holds the circuit; automatic undoes it').choices([
        'isolated',
        'closed',
        'automatic',
      ]),
    )
    .action(
      (
        service: string | undefined,
        instance: string | undefined,
        { set }: { set?: 'isolated' | 'closed' | 'automatic' },
        command: Command,
      ) =>
        ask(command, (registry, out) => {
          if (set === undefined) return showCircuits(registry, out, service);
          if (service === undefined) throw new UsageError('--set needs the service whose circuit it is');
          return setCircuit(registry, out, service, instance, set);
        }),
    );

  program
    .command('share')
    .description('Shows how the calls to a service are split, or sets the share that goes through its gateway')
    .argument('<service>')
    .argument('[percent]', 'of the calls that go through the gateway, 0 to 100; the others go directly', readPercent)
    .option('--reason <text>', 'why, for those who read the journal')
    .addHelpText('after', '\nThe address of the gateway stands in the option services: { name, via }.')
    .action((service: string, share: number | undefined, { reason }: { reason?: string }, command: Command) =>
      ask(command, (registry, out) =>
        share === undefined ? showSplit(registry, out, service) : setShare(registry, out, service, share, reason),
      ),
    );

  program
    .command('registry')
    .description('Runs a registry, with which services register, and which checks their health')
    .option('--port <number>', 'the port to listen on; 0 takes any free one', readPort, 3_000)
    .option(
      '--host <address>',
      'the address to listen on; other machines need one, such as 0.0.0.0, and a token',
      '127.0.0.1',
    )
    .option('--redis-url <url>', 'the Redis that holds the registrations. Default: the memory of this process')
    .option('--namespace <name>', 'which registry of that Redis')
    .addHelpText('after', '\nThe SERVICE_DISCOVERY_* variables, such as those of health checks, count too.')
    .action(async (flags: Omit<RegistryFlags, 'token'>, command: Command) => {
      if (flags.host === '') throw new UsageError('--host is empty: expected an address, such as 127.0.0.1');
      const { token } = command.optsWithGlobals<GlobalFlags>();
      // What the environment says the registry's own options read, with their own errors.
      const fromFlag =
        command.parent?.getOptionValueSource('token') === 'cli' || command.getOptionValueSource('token') === 'cli';
      await (
        await loadRegistry()
      )({ ...flags, token: fromFlag ? token : undefined });
    });

  const kong = addKong(program, world.stderr, ask);

  program
    .command('completion')
    .description('Prints a completion script, for `source <(nest-service-discovery completion bash)` in ~/.bashrc')
    .argument('<shell>', 'bash, zsh or fish')
    .action((shell: string) => void world.stdout.write(completionOf(program, shell)));

  // Commander's own process.exit() would cut off what is being written.
  for (const command of [program, ...program.commands, ...kong.commands]) command.exitOverride();
  return program;
}

interface Criteria {
  readonly version?: string;
  readonly tag?: readonly string[];
  readonly zone?: string;
}

function addCriteria(command: Command): Command {
  return command
    .option('--version <range>', 'of instances with such a version, such as "^1.2"')
    .option('--tag <tag>', 'of instances with this tag; repeat it for more', (tag: string, tags: string[] = []) => [
      ...tags,
      tag,
    ])
    .option('--zone <zone>', 'as a caller in this zone');
}

function toQuestion({ version, tag: tags, zone }: Criteria): {
  version?: string;
  tags?: readonly string[];
  zone?: string;
} {
  return { version, tags, zone };
}

function connect(url: string, token: string | undefined): RegistryClient {
  try {
    return new RegistryClient({ url, token });
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    const problems = error.problems.map((problem) => ({ ...problem, path: `--${problem.path}` }));
    throw new UsageError(new InvalidConfigurationError(problems).message);
  }
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('expected a number from 0 to 65535');
}

function readPercent(text: string): number {
  const share = Number(text.replace(/%$/, ''));
  if (text !== '' && share >= 0 && share <= 100) return share;
  throw new InvalidArgumentError('expected per cent: a number from 0 to 100');
}

/** Nest is a peer dependency, so it may be missing. */
async function loadRegistry(): Promise<(flags: RegistryFlags) => Promise<void>> {
  try {
    return (await import('./registry.js')).runRegistry;
  } catch (error) {
    const name = missingPackage(error);
    if (name === undefined) throw error;
    throw new CommandError(`The registry needs ${name}, which is not installed: npm install ${name}`);
  }
}
