import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { RegistryClient, type RolloutRequest, WrongFieldsError } from '../client/index.js';
import {
  describeProblem,
  type Duration,
  InvalidConfigurationError,
  messageOf,
  type Problem,
  ServiceDiscoveryError,
} from '../common/index.js';
import { CommandError, UsageError } from './command-error.js';
import { complete, completionScript, SHELLS } from './completion.js';
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
import { COMMAND, examples, Output } from './output.js';
import { type RegistryFlags } from './registry.js';
import { endRollout, setShare, showRollout, showSplit, startRollout } from './split.js';

const DEFAULT_URL = 'http://127.0.0.1:3000';
const URL_VARIABLE = 'SERVICE_DISCOVERY_REGISTRY_URL';

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
    .description(
      'Shows which services are registered, where their instances are and whether they are healthy; operates them, and runs the registry.',
    )
    .addOption(
      new Option('--url <url>', 'the registry, or any app that serves its API').env(URL_VARIABLE).default(DEFAULT_URL),
    )
    .addOption(
      new Option('--token <secret>', 'the secret that the registry asks other machines for').env(
        'SERVICE_DISCOVERY_TOKEN',
      ),
    )
    .option('--json', 'print JSON, the default in pipes and files')
    .option('--no-json', 'print tables, the default on a terminal')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false, minWidthToWrap: 30 })
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      writeErr: (text) => void world.stderr.write(text),
      // The caller prints it, with the usage of the command.
      outputError: () => undefined,
    })
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'Shows the help of a command')
    .addHelpText(
      'after',
      examples('status --url http://registry:3000', 'doctor user-service', 'help doctor') +
        '\nExit codes: 0: all is well; 1: something is wrong, or the registry does not answer; 2: wrong arguments.',
    );

  const ask = async (command: Command, task: Task): Promise<void> => {
    const { json } = command.optsWithGlobals<GlobalFlags>();
    const registry = connect(command);
    try {
      const finding = await task(registry, new Output(world.stdout, json, world.env));
      if (finding) world.onFinding();
    } catch (error) {
      throw withWayOut(error, registry, command);
    } finally {
      await registry.close();
    }
  };

  /** As `ask`, for what changes something. A registry that the user did not name may not be the one that they mean. */
  const change = (command: Command, task: Task): Promise<void> => {
    if (command.getOptionValueSourceWithGlobals('url') === 'default') {
      world.stderr.write(`${DEFAULT_URL} is asked, since neither --url nor ${URL_VARIABLE} names another registry.\n`);
    }
    return ask(command, task);
  };

  program.commandsGroup('Look:');
  program
    .command('status')
    .description(
      'Shows whether all services are healthy, what is wrong and what that affects; exit code 1: something is',
    )
    .addHelpText('after', examples('status', 'status --json | jq .faults'))
    .action((_flags, command: Command) => ask(command, showStatus));

  program
    .command('services')
    .description('Lists the services, with the health of their instances')
    .option('--failing', 'only those that are degraded or unhealthy')
    .option('--tag <tag>', 'only those that have an instance with this tag')
    .addHelpText('after', examples('services', 'services --failing'))
    .action((flags: { failing?: boolean; tag?: string }, command: Command) =>
      ask(command, (registry, out) => showServices(registry, out, flags)),
    );

  program
    .command('instances')
    .description('Lists the instances of one service, or of all: address, status, and why')
    .argument('[service]', SERVICE)
    .addHelpText('after', examples('instances', 'instances user-service'))
    .action((service: string | undefined, _flags, command: Command) =>
      ask(command, (registry, out) => showInstances(registry, out, service)),
    );

  program
    .command('watch')
    .description('Prints the events of the process at --url, one a line, until you press Ctrl+C')
    .argument('[service]', 'only the events of this service')
    .addHelpText('after', examples('watch', 'watch user-service --json | jq .type'))
    .action((service: string | undefined, _flags, command: Command) =>
      ask(command, (registry, out) => {
        if (!out.json) world.stderr.write(`What happens in ${registry.url}, until Ctrl+C:\n`);
        return watchEvents(registry, out, service, world.ended());
      }),
    );

  addCriteria(program.command('explain'))
    .description('Shows which instances the process at --url would call, which it would not, and why')
    .argument('<service>', SERVICE)
    .option('--key <key>', 'the key of the call, for strategies that choose by it, such as consistent_hash')
    .option('--path <path>', 'the path of the call, for strategies that choose by it', '/')
    .addHelpText('after', examples('explain user-service', 'explain user-service --version "^2.0" --tag eu'))
    .action((service: string, flags: Criteria & { key?: string; path: string }, command: Command) =>
      ask(command, (registry, out) =>
        showExplanation(registry, out, service, { ...toQuestion(flags), key: flags.key, path: flags.path }),
      ),
    );

  addCriteria(program.command('doctor'))
    .description(
      'Finds out why a service is not found, not healthy, cut off or called unevenly, and how to mend it; exit code 1: it found a cause',
    )
    .argument('<service>', SERVICE)
    .addOption(
      new Option('--problem <problem>', 'look for this problem only. Default: for all four').choices([
        'discovery',
        'health',
        'circuit',
        'balancing',
      ]),
    )
    .addHelpText('after', examples('doctor user-service', 'doctor user-service --problem health'))
    .action((service: string, flags: Criteria & { problem?: string }, command: Command) =>
      ask(command, (registry, out) => diagnose(registry, out, service, toQuestion(flags), flags.problem)),
    );

  program.commandsGroup('Operate:');
  for (const [name, status, why, what] of [
    ['drain', 'draining', 'new release', 'Sends no new calls to an instance, which finishes those that it has'],
    ['maintenance', 'maintenance', 'new disk', 'Takes an instance out of traffic until it is put back with `up`'],
    ['up', 'up', 'the disk is in', 'Puts an instance back into traffic, after drain or maintenance'],
  ] as const) {
    program
      .command(name)
      .description(what)
      .argument('<service>', SERVICE)
      .argument('<instance>', 'the id of the instance, as `instances` lists it')
      .option('--reason <text>', 'why, shown beside the status')
      .addHelpText('after', examples(`${name} user-service user-service-1 --reason "${why}"`))
      .action((service: string, instance: string, { reason }: { reason?: string }, command: Command) =>
        change(command, (registry, out) => setStatus(registry, out, [service, instance], status, reason)),
      );
  }

  program
    .command('circuits')
    .description('Shows the circuit breakers of the process at --url, or sets one')
    .argument('[service]', SERVICE)
    .argument('[instance]', 'with --set: the id of the instance. Default: the circuit of the service as a whole')
    .addOption(
      new Option('--set <state>', 'isolated refuses all calls, closed lets all through, automatic undoes both').choices(
        ['isolated', 'closed', 'automatic'],
      ),
    )
    .addHelpText('after', examples('circuits', 'circuits user-service user-service-1 --set isolated'))
    .action(
      (
        service: string | undefined,
        instance: string | undefined,
        { set }: { set?: 'isolated' | 'closed' | 'automatic' },
        command: Command,
      ) => {
        if (set === undefined) return ask(command, (registry, out) => showCircuits(registry, out, service));
        if (service === undefined) throw new UsageError('--set needs the service whose circuit it is');
        return change(command, (registry, out) => setCircuit(registry, out, service, instance, set));
      },
    );

  program
    .command('share')
    .description('Shows how the calls to a service are split, or sets the share that goes through its gateway')
    .argument('<service>', SERVICE)
    .argument(
      '[percent]',
      'of the calls, 0 to 100, go through the gateway, the others directly. Default: show it only',
      readPercent,
    )
    .option('--reason <text>', 'why, kept in the journal')
    .addHelpText(
      'after',
      examples('share user-service', 'share user-service 50 --reason "step 2"') +
        '\nThe address of the gateway comes from the option services: [{ name, via }] of an app.',
    )
    .action((service: string, share: number | undefined, { reason }: { reason?: string }, command: Command) =>
      share === undefined
        ? ask(command, (registry, out) => showSplit(registry, out, service))
        : change(command, (registry, out) => setShare(registry, out, service, share, reason)),
    );

  const rollout = program
    .command('rollout')
    .description('Moves calls to a new version step by step, and back by itself where that version fails or is slow')
    .addHelpText('after', examples('rollout start user-service 2.x', 'rollout status user-service'));
  rollout
    .command('start')
    .description('Begins a rollout: the first step takes effect at once')
    .argument('<service>', SERVICE)
    .argument('<version>', 'the semver range of the new version, such as 2.x')
    .option('--steps <list>', 'per cent of the calls at each step, the last 100 (default: 5,25,100)', readSteps)
    .option('--step-duration <duration>', 'how long a step lasts at least, such as 90s (default: 5m)')
    .option('--max-error-rate <percent>', 'of failed attempts, above which it is rolled back (default: 5)', readPercent)
    .option(
      '--max-p99 <duration>',
      'the latency of the slowest 1 % of attempts, above which it is rolled back, such as 500ms (default: none)',
    )
    .option(
      '--min-attempts <count>',
      'attempts at the new version that a step needs before it is judged (default: 20)',
      readCount,
    )
    .option('--reason <text>', 'why, kept in the journal')
    .addHelpText('after', examples('rollout start user-service 2.x --steps 5,25,100 --max-error-rate 2'))
    .action((service: string, version: string, flags: RolloutFlags, command: Command) =>
      change(command, (registry, out) =>
        startRollout(registry, out, service, toRollout(version, flags), flags.reason, world.stderr),
      ),
    );
  rollout
    .command('status')
    .description(
      'Shows which share a rollout has reached, and the attempts that failed; exit code 1: it was rolled back',
    )
    .argument('<service>', SERVICE)
    .addHelpText('after', examples('rollout status user-service'))
    .action((service: string, _flags, command: Command) =>
      ask(command, (registry, out) => showRollout(registry, out, service)),
    );
  rollout
    .command('abort')
    .description(
      'Ends a rollout: all calls go to the other versions. If it is over already, forgets it: all versions take calls alike',
    )
    .argument('<service>', SERVICE)
    .option('--reason <text>', 'why, kept in the journal')
    .addHelpText('after', examples('rollout abort user-service --reason "slow logins"'))
    .action((service: string, { reason }: { reason?: string }, command: Command) =>
      change(command, (registry, out) => endRollout(registry, out, service, reason)),
    );

  program.commandsGroup('Set up:');
  program
    .command('registry')
    .description('Runs a registry: services register with it, and it checks their health')
    .option('--port <number>', 'the port to listen on; 0 takes any free one', readPort, 3_000)
    .option(
      '--host <address>',
      'the address to listen on; 0.0.0.0 admits other machines, if they have the token',
      '127.0.0.1',
    )
    .option('--redis-url <url>', 'the Redis that keeps the registrations. Default: the memory of this process')
    .option('--namespace <name>', 'separates several registries in one Redis (default: "default")')
    .configureHelp({
      showGlobalOptions: true,
      visibleGlobalOptions: () => program.options.filter(({ long }) => long === '--token'),
    })
    .addHelpText(
      'after',
      examples('registry', 'registry --host 0.0.0.0 --token "$SERVICE_DISCOVERY_TOKEN"') +
        '\nIt reads the SERVICE_DISCOVERY_* variables as an app does, such as SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL (seconds).',
    )
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

  const kong = addKong(program, world.stderr, { ask, change });

  program
    .command('completion')
    .description('Prints a script that completes commands, options and names of services when you press Tab')
    .addArgument(new Argument('<shell>', 'the shell that you use').choices(SHELLS))
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      'after',
      '\nPut it into the start file of your shell, where the command is on the PATH (npm install --global):\n' +
        '  ~/.bashrc                   source <(nest-service-discovery completion bash)\n' +
        '  ~/.zshrc                    source <(nest-service-discovery completion zsh)\n' +
        '  ~/.config/fish/config.fish  nest-service-discovery completion fish | source',
    )
    .action((shell: (typeof SHELLS)[number]) => void world.stdout.write(completionScript(program.name(), shell)));

  program
    .command('__complete', { hidden: true })
    .argument('<line>')
    .action(async (line: string) => {
      for (const word of await complete(program, line)) world.stdout.write(`${word}\n`);
    });

  // Commander's own process.exit() would cut off what is being written.
  for (const command of [program, ...[program, kong, rollout].flatMap(({ commands }) => commands)])
    command.exitOverride();
  return program;
}

const SERVICE = 'the name of the service, as `services` lists it';

interface Criteria {
  readonly version?: string;
  readonly tag?: readonly string[];
  readonly zone?: string;
}

function addCriteria(command: Command): Command {
  return command
    .option('--version <range>', 'only instances whose version is in this semver range, such as "^1.2"')
    .option(
      '--tag <tag>',
      'only instances with this tag; repeat it for further tags',
      (tag: string, tags: string[] = []) => [...tags, tag],
    )
    .option('--zone <zone>', 'the zone of the caller, which prefers instances in it');
}

function toQuestion({ version, tag: tags, zone }: Criteria): {
  version?: string;
  tags?: readonly string[];
  zone?: string;
} {
  return { version, tags, zone };
}

function connect(command: Command): RegistryClient {
  const { url, token } = command.optsWithGlobals<GlobalFlags>();
  try {
    return new RegistryClient({ url, token });
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    const problems = error.problems.map((problem) => ({ ...problem, path: sourceOf(command, problem.path) }));
    throw new UsageError(problems.map(describeProblem).join('\n'));
  }
}

/** Where the user set an option: the flag, or the variable. */
function sourceOf(command: Command, name: string): string {
  const option = command.parent?.options.find(({ long }) => long === `--${name}`);
  const isVariable = command.getOptionValueSourceWithGlobals(name) === 'env';
  return isVariable ? (option?.envVar ?? name) : `--${name}`;
}

/** What is wrong with fields of the API, by the flags and arguments that set them. */
function asTyped(problems: readonly Problem[], command: Command): string {
  const flags = command.options.map(({ long }) => long);
  const args = command.registeredArguments.map((argument) => argument.name());
  const typed = (field: string): string => {
    const flag = `--${field.replaceAll('_', '-')}`;
    if (flags.includes(flag)) return flag;
    return args.includes(field) ? `<${field}>` : field;
  };
  return problems.map((problem) => describeProblem({ ...problem, path: typed(problem.path) })).join('\n');
}

/** The error of an answer, with what to type next. */
function withWayOut(error: unknown, { url }: RegistryClient, command: Command): unknown {
  if (!(error instanceof ServiceDiscoveryError)) return error;
  if (error instanceof WrongFieldsError) return new UsageError(asTyped(error.problems, command));
  const { code, service = '', page } = error;
  const message = messageOf(error);
  const next = (text: string): CommandError => new CommandError(`${message}.\n${text}\nSee ${page}`);
  const lists = (command: string): CommandError =>
    next(`"${COMMAND} ${command}" lists those that are registered at ${url}.`);
  if (code === 'SERVICE_NOT_FOUND') return lists('services');
  if (code === 'INSTANCE_NOT_FOUND') return lists(`instances ${service}`);
  if (code !== 'REGISTRY_UNAVAILABLE') return error;
  return next(
    `--url or SERVICE_DISCOVERY_REGISTRY_URL says which registry to ask, --token or SERVICE_DISCOVERY_TOKEN lets you in. ` +
      `"${COMMAND} registry" runs one.`,
  );
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a number from 0 to 65535');
}

function readPercent(text: string): number {
  const share = Number(text.replace(/%$/, ''));
  if (text !== '' && share >= 0 && share <= 100) return share;
  throw new InvalidArgumentError('Expected per cent: a number from 0 to 100');
}

interface RolloutFlags {
  readonly steps?: readonly number[];
  readonly stepDuration?: Duration;
  readonly maxErrorRate?: number;
  readonly maxP99?: Duration;
  readonly minAttempts?: number;
  readonly reason?: string;
}

function toRollout(version: string, flags: RolloutFlags): RolloutRequest {
  const { steps, stepDuration, maxErrorRate, maxP99, minAttempts } = flags;
  return {
    version,
    steps,
    step_duration: stepDuration,
    max_error_rate: maxErrorRate === undefined ? undefined : maxErrorRate / 100,
    max_p99: maxP99,
    min_attempts: minAttempts,
  };
}

function readCount(text: string): number {
  const given = Number(text);
  if (Number.isSafeInteger(given) && given > 0) return given;
  throw new InvalidArgumentError('Expected a whole number above 0');
}

function readSteps(text: string): readonly number[] {
  return text.split(',').map(readPercent);
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
