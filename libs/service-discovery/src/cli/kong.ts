import { writeFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { type RegistrationBody, type RegistryClient, type ServiceView } from '../client/index.js';
import { counted, messageOf } from '../common/index.js';
import { type KongImport } from '../kong/index.js';
import { type ServiceRegistration, toInstance } from '../model/index.js';
import { toInstanceBody } from '../store/index.js';
import { CommandError, UsageError } from './command-error.js';
import { type Finding, type Task } from './look.js';
import { examples, type Output } from './output.js';

interface ImportFlags {
  readonly out?: string;
  readonly apply?: boolean;
  readonly dryRun?: boolean;
}

/** What differs between the configuration of Kong and the registry. */
interface Difference {
  readonly service: string;
  /** Its address; absent: the service as a whole. */
  readonly instance?: string;
  readonly kind: 'missing' | 'extra' | 'changed';
  readonly field?: string;
  readonly kong?: unknown;
  readonly registry?: unknown;
}

const FILES = 'files and folders of YAML or JSON, of Kong, decK or kong config db_export';
const IN_PARALLEL = 16;

/** `kong import`, `kong check` and `kong diff`. */
export function addKong(
  program: Command,
  stderr: NodeJS.WriteStream,
  { ask, change }: Readonly<Record<'ask' | 'change', (command: Command, task: Task) => Promise<void>>>,
): Command {
  const kong = program
    .command('kong')
    .description('Imports services from the configuration of Kong, and compares it with the registry')
    .addHelpText('after', examples('kong import kong.yaml --out kong-options.ts', 'kong check kong.yaml'));

  kong
    .command('import')
    .description('Converts a configuration of Kong to options, with a report of what became of each field')
    .argument('<file...>', FILES)
    .option('--out <file>', 'the file for the options: a TypeScript module if it ends with .ts, else JSON')
    .addOption(new Option('--apply', 'register the targets with the registry of --url').conflicts('dryRun'))
    .option('--dry-run', 'show what --apply would register')
    .addHelpText(
      'after',
      examples('kong import kong.yaml --out kong-options.ts', 'kong import kong.yaml --dry-run') +
        '\nPrints the options and the report; with --out, the report only.\n' +
        'Placeholders such as ${{ env "DECK_HOST" }} are read from the environment.',
    )
    .action((files: string[], flags: ImportFlags, command: Command) =>
      (flags.apply ? change : ask)(command, (registry, out) => importKong(registry, out, files, flags, stderr)),
    );

  kong
    .command('check')
    .description('Tells whether the registry has all targets that Kong has; exit code 1: some are missing or differ')
    .argument('<file...>', FILES)
    .addHelpText('after', examples('kong check kong.yaml'))
    .action((files: string[], _flags, command: Command) =>
      ask(command, async (registry, out) => {
        const imported = await load(files);
        const found = (await differences(registry, imported)).filter(({ kind }) => kind !== 'extra');
        const { length } = imported.registrations;
        out.show({ differences: found }, () => {
          if (found.length === 0) out.line(`${registry.url} has all targets of Kong as they are there: ${length}.`);
          else printDifferences(out, found);
        });
        return found.length > 0 ? 1 : 0;
      }),
    );

  kong
    .command('diff')
    .description('Shows what differs: - is in Kong only, + in the registry only, ~ in both and not the same')
    .argument('<file...>', FILES)
    .addHelpText('after', examples('kong diff kong.yaml'))
    .action((files: string[], _flags, command: Command) =>
      ask(command, async (registry, out) => {
        const found = await differences(registry, await load(files));
        out.show({ differences: found }, () => printDifferences(out, found));
      }),
    );
  return kong;
}

async function importKong(
  registry: RegistryClient,
  out: Output,
  files: readonly string[],
  { out: path, apply = false, dryRun = false }: ImportFlags,
  stderr: NodeJS.WriteStream,
): Promise<Finding> {
  const imported = await load(files);
  const { options, registrations, report } = imported;
  const { formatKongReport } = await import('../kong/index.js');
  const text = formatKongReport(report);
  if (path !== undefined) await save(path, imported);
  const failed = apply ? await register(registry, registrations, stderr) : [];
  const shown = {
    ...(path === undefined && { options }),
    ...((path === undefined || dryRun) && { registrations }),
    report,
    ...(apply && { failed }),
  };
  out.show(shown, () => {
    if (dryRun) printRegistrations(out, registrations);
    else if (path === undefined && !apply) out.line(imported.toTypeScript());
    if (path !== undefined) out.line(`${path}: ${counted(options.services.length, 'service')}`);
    if (apply) {
      const done = `${registrations.length - failed.length} of ${counted(registrations.length, 'target')}`;
      out.line(`Registered ${done} with ${registry.url}.`);
    }
    for (const { target, message } of failed) out.line(`${target}: ${message}`);
    if (path === undefined && !dryRun && !apply) stderr.write(text);
    else out.line(`\n${text}`);
  });
  return failed.length > 0 ? 1 : 0;
}

async function load(files: readonly string[]): Promise<KongImport> {
  const { KongImporter } = await import('../kong/index.js');
  const imported = await new KongImporter().importFiles(files).catch((error: unknown) => {
    const { code, path } = error as NodeJS.ErrnoException;
    throw code === 'ENOENT' ? new UsageError(`There is no file or folder ${path}`) : error;
  });
  if (imported.report.entities.length > 0) return imported;
  throw new UsageError(`${files.join(', ')}: expected files and folders with .yaml, .yml or .json, but there are none`);
}

/** Only its owner may read a file with private keys. */
async function save(path: string, imported: KongImport): Promise<void> {
  const text = path.endsWith('.ts') ? imported.toTypeScript() : `${JSON.stringify(imported.options, null, 2)}\n`;
  try {
    await writeFile(path, text, { mode: text.includes('PRIVATE KEY-----') ? 0o600 : 0o666 });
  } catch (error) {
    throw new CommandError(`${path} cannot be written: ${messageOf(error)}`);
  }
}

interface Failure {
  readonly target: string;
  readonly message: string;
}

/** Several at a time; those that are refused do not keep the others. */
async function register(
  registry: RegistryClient,
  registrations: readonly ServiceRegistration[],
  stderr: NodeJS.WriteStream,
): Promise<Failure[]> {
  const failed: Failure[] = [];
  const waiting = [...registrations];
  let done = 0;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const body = toBody(next);
      try {
        await registry.register(body);
      } catch (error) {
        failed.push({ target: `${body.service_name} ${addressOf(body)}`, message: messageOf(error) });
      }
      if (stderr.isTTY) stderr.write(`\r${++done} of ${registrations.length}`);
    }
  };
  await Promise.all(Array.from({ length: IN_PARALLEL }, work));
  if (stderr.isTTY) stderr.write('\r\u001b[K');
  return failed;
}

function toBody(registration: ServiceRegistration): RegistrationBody {
  const body = toInstanceBody(toInstance(registration, { ttlMs: 1, now: 0 }));
  const { service_name, instance_id, host, port, protocol, path, health_check_path, health_check, tags, weight, tier } =
    body;
  return { service_name, instance_id, host, port, protocol, path, health_check_path, health_check, tags, weight, tier };
}

function addressOf({ protocol, host, port, path = '' }: RegistrationBody): string {
  return `${protocol}://${host}:${port}${path}`;
}

/** The fields that are compared. */
const COMPARED = ['weight', 'tags', 'health_check_path'] as const;

async function differences(registry: RegistryClient, { registrations }: KongImport): Promise<Difference[]> {
  const wanted = new Map<string, RegistrationBody[]>();
  for (const body of registrations.map(toBody)) {
    wanted.set(body.service_name, [...(wanted.get(body.service_name) ?? []), body]);
  }
  const there = new Map((await registry.services()).map((service) => [service.service_name, service]));
  const found: Difference[] = [];
  for (const [service, bodies] of wanted) {
    const listed = there.get(service);
    if (!listed) found.push({ service, kind: 'missing' });
    else found.push(...differencesIn(service, bodies, await whole(registry, listed)));
  }
  for (const service of there.keys()) if (!wanted.has(service)) found.push({ service, kind: 'extra' });
  return found;
}

/** A list shows the first instances of a large service. */
function whole(registry: RegistryClient, service: ServiceView): Promise<ServiceView> | ServiceView {
  return service.instances.length < service.total_instances ? registry.service(service.service_name) : service;
}

function differencesIn(service: string, bodies: readonly RegistrationBody[], listed: ServiceView): Difference[] {
  const there = new Map(listed.instances.map((instance) => [addressOf(instance), instance]));
  const wanted = new Map(bodies.map((body) => [addressOf(body), body]));
  const found = [...wanted].flatMap(([instance, body]): Difference[] => {
    const other = there.get(instance);
    if (!other) return [{ service, instance, kind: 'missing' }];
    return COMPARED.filter((field) => JSON.stringify(body[field]) !== JSON.stringify(other[field])).map((field) => ({
      service,
      instance,
      kind: 'changed',
      field,
      kong: body[field],
      registry: other[field],
    }));
  });
  const extra = [...there.keys()].filter((instance) => !wanted.has(instance));
  return [...found, ...extra.map((instance) => ({ service, instance, kind: 'extra' as const }))];
}

const SIGNS = { missing: ['-', 'red'], extra: ['+', 'green'], changed: ['~', 'yellow'] } as const;

function printDifferences(out: Output, found: readonly Difference[]): void {
  for (const { service, instance, kind, field, kong, registry } of found) {
    const [sign, colour] = SIGNS[kind];
    const values =
      field === undefined
        ? ''
        : `: ${field} ${JSON.stringify(kong)} in Kong, ${JSON.stringify(registry)} in the registry`;
    out.line(out.paint(colour, `${sign} ${[service, instance].filter(Boolean).join(' ')}${values}`));
  }
}

function printRegistrations(out: Output, registrations: readonly ServiceRegistration[]): void {
  out.table(
    ['SERVICE', 'ADDRESS', 'WEIGHT', 'TAGS'],
    registrations.map(toBody).map((body) => [body.service_name, addressOf(body), body.weight, body.tags?.join(' ')]),
  );
}
