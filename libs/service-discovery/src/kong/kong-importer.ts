import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TlsOptions } from '../common/index.js';
import { type PatternOptions, type PatternOverrides } from '../communicator/index.js';
import { type ServiceCheckOptions } from '../health/index.js';
import { type ServiceRegistration } from '../model/index.js';
import { type ListedService } from '../registry/index.js';
import { type UndiciTransportOptions } from '../transport/index.js';
import { EntityFields } from './entity-fields.js';
import { KongEntities, type KongEntity, singularOf } from './entities.js';
import { secondsText } from './health-checks.js';
import { type KongFields, type KongSource } from './kong-node.js';
import { toTypeScript } from './module-text.js';
import { insteadOf } from './not-carried.js';
import { type Environment } from './placeholders.js';
import { type KongPlace, ProblemList, textOfPlace } from './problems.js';
import { toRegistrations } from './registrations.js';
import { type KongReport, type KongWarning } from './report.js';
import { type ImportedService, readService } from './services.js';
import { type ImportedTarget, type ImportedUpstream, readTags, readTarget, readUpstream } from './upstreams.js';

/** Options of `ServiceDiscoveryModule.forRoot()` that do what Kong did. */
export interface KongOptions {
  services: ListedService[];
  /** The settings of calls; each service names one as its tier. */
  patterns: PatternOverrides;
  healthCheck: { services: Record<string, ServiceCheckOptions> };
  transport?: Pick<UndiciTransportOptions, 'connectTimeout' | 'tls'>;
}

/** What an import makes of the files of Kong. */
export interface KongImport {
  readonly options: KongOptions;
  /** The targets as registrations, one each, for `POST /service-discovery/register`. */
  readonly registrations: readonly ServiceRegistration[];
  readonly report: KongReport;
  /** The options as a module of TypeScript, which exports them as `kongOptions`. */
  toTypeScript(): string;
}

/** Options of {@link KongImporter}. */
export interface KongImporterOptions {
  /** The values of placeholders such as `${{ env "DECK_HOST" }}`. @default those of the process */
  env?: Environment;
}

/** What the module imports its types from. */
/** With its quotes. */
const PACKAGE = `'nest-service-discovery'`;
const CARRIED_KINDS = ['file', 'services', 'upstreams', 'targets'];
const EXTENSIONS = /\.(?:ya?ml|json)$/i;
const META: Readonly<Record<string, string>> = {
  _transform: 'how Kong treats credentials, which are not carried over',
  _workspace: 'namespace separates registries in one Redis',
  _konnect: 'the place of the configuration in Konnect',
  _plugin_configs: 'plugins are not carried over',
  '_info.default_lookup_tags': 'where decK looks for what the file does not have',
};

/**
 * Turns the declarative configuration of Kong (format 1.1, 2.1 and 3.0; written by hand, by decK or by
 * `kong config db_export`) into options of this package, with a report that mentions every entity and every field.
 */
export class KongImporter {
  private readonly env: Environment;

  constructor({ env = process.env }: KongImporterOptions = {}) {
    this.env = env;
  }

  /**
   * Imports files, and the `.yaml`, `.yml` and `.json` files of folders, as one configuration.
   * @throws KongImportError with everything that is wrong, by file, line and column; the error of the file system
   */
  async importFiles(paths: readonly string[]): Promise<KongImport> {
    const files = (await Promise.all(paths.map(filesIn))).flat();
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    return this.importSources(files.map((file, index) => ({ file, text: texts[index]! })));
  }

  /** The same for texts. @throws KongImportError */
  importSources(sources: readonly KongSource[]): KongImport {
    return new Import(sources, this.env).run();
  }
}

async function filesIn(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && EXTENSIONS.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

/** One run of the importer. */
class Import {
  private readonly problems = new ProblemList();
  private readonly warnings = new Map<string, KongWarning>();
  private readonly entities: KongEntities;
  private readonly fields = new Map<KongEntity, EntityFields>();
  private readonly defaults = new Map<string, KongFields>();
  private readonly names = new Set<string>();
  /** Those that services use for TLS. */
  private readonly certificates = new Set<KongEntity>();

  constructor(sources: readonly KongSource[], env: Environment) {
    this.entities = new KongEntities(sources, env, this.problems, (place, message) => this.warn(place, message));
  }

  run(): KongImport {
    const tags = this.readFiles();
    for (const entity of this.entities.all) {
      const fields = new EntityFields(entity, this.problems, this.defaults.get(singularOf(entity.kind)));
      this.fields.set(entity, fields);
    }
    const upstreams = this.readUpstreams();
    const services = this.readServices(upstreams, tags);
    for (const [entity, fields] of this.fields) {
      const { kind, name } = entity;
      if (!CARRIED_KINDS.includes(kind) && !this.certificates.has(entity)) fields.drop(insteadOf(kind, name));
    }
    this.judgeDefaults();
    this.problems.throwIfAny();
    const options = optionsOf(services);
    const report = this.report();
    return {
      options,
      registrations: services.flatMap((service, index) => toRegistrations(service, options.services[index]!.tier!)),
      report,
      toTypeScript: () =>
        moduleOf(
          options,
          this.entities.files.map(({ name }) => name),
        ),
    };
  }

  /** @returns the tags that `_info.select_tags` gives to every entity */
  private readFiles(): string[] {
    const tags: string[] = [];
    for (const file of this.entities.files) {
      const fields = new EntityFields(file, this.problems);
      this.fields.set(file, fields);
      fields.carried('_format_version');
      for (const [name, note] of Object.entries(META)) fields.dropped(name, note);
      fields.carried('_info.select_tags', 'tags of every instance');
      if (fields.own('_info.select_tags')) tags.push(...readTags(fields, '_info.select_tags'));
      for (const kind of ['service', 'upstream', 'target']) {
        const defaults = fields.own(`_info.defaults.${kind}`);
        if (defaults?.fields)
          this.defaults.set(kind, new Map([...(this.defaults.get(kind) ?? []), ...defaults.fields]));
      }
    }
    return tags;
  }

  /** A default becomes what the field becomes in the entities that lack it. */
  private judgeDefaults(): void {
    for (const file of this.entities.files) {
      const fields = this.fieldsOf(file);
      for (const kind of fields.own('_info.defaults')?.fields?.keys() ?? []) {
        const path = `_info.defaults.${kind}`;
        const example = this.defaults.has(kind) ? this.entities.ofKind(`${kind}s`)[0] : undefined;
        if (example) fields.adopt(`${path}.`, this.fieldsOf(example));
        else fields.dropped(path, 'defaults of what is not carried over, or not in these files');
      }
    }
  }

  private readUpstreams(): Map<KongEntity, ImportedUpstream> {
    const targets = this.readTargets();
    return new Map(
      this.entities.ofKind('upstreams').map((entity) => {
        const fields = this.fieldsOf(entity);
        return [entity, readUpstream(fields, targets.get(entity) ?? [], this.warnOf(fields))];
      }),
    );
  }

  private readTargets(): Map<KongEntity, ImportedTarget[]> {
    const targets = new Map<KongEntity, ImportedTarget[]>();
    const places = new Map<string, KongPlace>();
    for (const entity of this.entities.ofKind('targets')) {
      const fields = this.fieldsOf(entity);
      const target = readTarget(fields);
      const upstream = entity.references.get('upstream');
      if (!upstream) {
        if (!fields.own('upstream')) fields.problem('upstream', 'expected the upstream that it belongs to');
        fields.drop('its upstream is not in these files');
        continue;
      }
      if (!target) continue;
      fields.becomes(`services, for the upstream ${upstream.name}`);
      const key = `${textOfPlace(upstream.place)} ${target.host}:${target.port}`;
      const other = places.get(key);
      if (other) {
        fields.problem(
          'target',
          `the upstream has another target ${target.host}:${target.port}, at ${textOfPlace(other)}`,
        );
        continue;
      }
      places.set(key, entity.place);
      targets.set(upstream, [...(targets.get(upstream) ?? []), target]);
    }
    return targets;
  }

  private readServices(
    upstreams: ReadonlyMap<KongEntity, ImportedUpstream>,
    tags: readonly string[],
  ): ImportedService[] {
    const used = new Map<KongEntity, string[]>();
    const services = this.entities.ofKind('services').flatMap((entity) => {
      const fields = this.fieldsOf(entity);
      const upstream = this.upstreamOf(fields);
      const service = readService(fields, {
        upstream: upstream && upstreams.get(upstream),
        certificate: entity.references.get('client_certificate'),
        authorities: this.entities.list('ca_certificates', fields.node('ca_certificates')),
        tags,
        uniqueName: (wanted) => this.uniqueName(wanted),
        warn: this.warnOf(fields),
        onCertificate: (certificate) => this.carryCertificate(certificate),
      });
      if (upstream) used.set(upstream, [...(used.get(upstream) ?? []), ...(service ? [service.listed.name] : [])]);
      return service ? [service] : [];
    });
    const unused = new Set<KongEntity | undefined>();
    for (const upstream of upstreams.keys()) {
      const fields = this.fieldsOf(upstream);
      const users = used.get(upstream);
      if (users && users.length > 0) {
        fields.becomes(`services: ${users.join(', ')}`);
        continue;
      }
      fields.drop(users ? 'no service that uses it is carried over' : 'no service uses it');
      if (!users)
        this.warn(upstream.place, `no service uses the upstream "${upstream.name}": left out, with its targets`);
      unused.add(upstream);
    }
    for (const target of this.entities.ofKind('targets')) {
      if (unused.has(target.references.get('upstream'))) this.fieldsOf(target).drop('no service uses its upstream');
    }
    return services;
  }

  private carryCertificate(certificate: KongEntity): void {
    this.certificates.add(certificate);
    const fields = this.fieldsOf(certificate);
    for (const name of ['cert', 'key']) fields.carried(name, 'transport.tls.services');
    fields.becomes('transport.tls.services');
    if (fields.own('key'))
      this.warn(certificate.place, 'its private key stands in the module: put it into a file, and name the path');
  }

  private upstreamOf(fields: EntityFields): KongEntity | undefined {
    const url = fields.node('url')?.value;
    const host = typeof url === 'string' ? /^[a-z_]+:\/\/([^/:?#@]+)/.exec(url)?.[1] : fields.node('host')?.value;
    const found = typeof host === 'string' ? this.entities.find('upstreams', host) : undefined;
    // A host names an upstream by its name only.
    return found?.name === host ? found : undefined;
  }

  private fieldsOf(entity: KongEntity): EntityFields {
    return this.fields.get(entity)!;
  }

  private warnOf(fields: EntityFields): (path: string, message: string) => void {
    const { kind, name } = fields.entity;
    return (path, message) => this.warn(fields.placeOf(path), `${singularOf(kind)} "${name}": ${message}`);
  }

  private warn(place: KongPlace, message: string): void {
    this.warnings.set(`${textOfPlace(place)} ${message}`, { ...place, message });
  }

  private uniqueName(wanted: string): string {
    let name = wanted;
    for (let number = 2; this.names.has(name); number++) name = `${wanted}-${number}`;
    this.names.add(name);
    return name;
  }

  private report(): KongReport {
    const entities = [...this.fields.values()].map((fields) => fields.report());
    const counts = { carried: 0, approximated: 0, not_carried: 0 };
    for (const { outcome } of entities) counts[outcome]++;
    return { counts, entities, warnings: [...this.warnings.values()] };
  }
}

function optionsOf(services: readonly ImportedService[]): KongOptions {
  const patterns = patternsOf(services);
  const tlsServices = services.flatMap(({ listed, tls }) => (tls ? [[listed.name, tls] as const] : []));
  const tls: { services: Record<string, TlsOptions> } | undefined =
    tlsServices.length > 0 ? { services: Object.fromEntries(tlsServices) } : undefined;
  const connectMs = Math.max(0, ...services.map(({ connectTimeoutMs }) => connectTimeoutMs));
  return {
    services: services.map(({ listed }, index) => ({ ...listed, tier: patterns.tiers[index]! })),
    patterns: patterns.byName,
    healthCheck: {
      services: Object.fromEntries(services.flatMap(({ listed, check }) => (check ? [[listed.name, check]] : []))),
    },
    ...(services.length > 0 && { transport: { connectTimeout: secondsText(connectMs / 1_000), ...(tls && { tls }) } }),
  };
}

/** One pattern for all services with equal settings; the one of most services is `kong`. */
function patternsOf(services: readonly ImportedService[]): { byName: Record<string, PatternOptions>; tiers: string[] } {
  const groups = new Map<string, { pattern: PatternOptions; users: string[] }>();
  const keys = services.map(({ listed, pattern }) => {
    const key = JSON.stringify(pattern);
    const group = groups.get(key) ?? { pattern, users: [] };
    groups.set(key, group);
    group.users.push(listed.name);
    return key;
  });
  const most = [...groups.entries()].toSorted(([, one], [, other]) => other.users.length - one.users.length)[0]?.[0];
  const nameOf = (key: string): string => (key === most ? 'kong' : `kong-${groups.get(key)!.users[0]}`);
  return {
    byName: Object.fromEntries([...groups].map(([key, { pattern }]) => [nameOf(key), pattern])),
    tiers: keys.map(nameOf),
  };
}

function moduleOf(options: KongOptions, files: readonly string[]): string {
  return `// Made of ${files.join(', ')} by nest-service-discovery kong import.
import { type ServiceDiscoveryOptions } from ${PACKAGE};

export const kongOptions = ${toTypeScript(options)} satisfies ServiceDiscoveryOptions;
`;
}
