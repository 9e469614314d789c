import { type KongFields, type KongNode, type KongSource, parseSource } from './kong-node.js';
import { type Environment } from './placeholders.js';
import { type KongPlace, type ProblemList, textOfPlace } from './problems.js';

/** One entity of Kong: a service, a route, a plugin, … */
export interface KongEntity {
  /** The collection that it stands in, such as `services`. */
  readonly kind: string;
  /** How it is called in the file: its name, what stands for a name, or its id. */
  readonly name: string;
  readonly place: KongPlace;
  /** Without the entities that are nested in it. */
  readonly fields: KongFields;
  /** The entity that it is nested in. */
  readonly parent?: KongEntity;
  /** By field, such as `service`: what it refers to, as far as it is there. */
  readonly references: Map<string, KongEntity>;
}

interface Kind {
  /** The fields that name it, best first. */
  readonly names: readonly string[];
  /** Whether the first of them is there once only. */
  readonly unique?: true;
  readonly children?: readonly string[];
  /** Fields that refer to an entity, or to a list of them, and of which kind. */
  readonly references?: Readonly<Record<string, string>>;
}

const OF_CONSUMER: Kind = {
  names: ['key', 'username', 'group', 'client_id', 'id'],
  references: { consumer: 'consumers' },
};
const CREDENTIALS = [
  'acls',
  'basicauth_credentials',
  'hmacauth_credentials',
  'jwt_secrets',
  'keyauth_credentials',
  'keyauth_enc_credentials',
  'mtls_auth_credentials',
  'oauth2_credentials',
];
/** Their names are secrets. */
const SECRET_NAMES = new Set(CREDENTIALS);

const KINDS: Readonly<Record<string, Kind>> = {
  services: {
    names: ['name', 'host', 'url', 'id'],
    unique: true,
    children: ['routes', 'plugins', 'filter_chains'],
    references: { client_certificate: 'certificates', ca_certificates: 'ca_certificates' },
  },
  upstreams: {
    names: ['name', 'id'],
    unique: true,
    children: ['targets'],
    references: { client_certificate: 'certificates' },
  },
  targets: { names: ['target', 'id'], references: { upstream: 'upstreams' } },
  routes: {
    names: ['name', 'id'],
    unique: true,
    children: ['plugins', 'filter_chains'],
    references: { service: 'services' },
  },
  plugins: {
    names: ['name', 'id'],
    references: { service: 'services', route: 'routes', consumer: 'consumers', consumer_group: 'consumer_groups' },
  },
  filter_chains: { names: ['name', 'id'], references: { service: 'services', route: 'routes' } },
  consumers: { names: ['username', 'custom_id', 'id'], unique: true, children: ['plugins', ...CREDENTIALS] },
  consumer_groups: { names: ['name', 'id'], unique: true, children: ['plugins', 'consumers'] },
  certificates: { names: ['id'], children: ['snis'] },
  ca_certificates: { names: ['id'] },
  snis: { names: ['name', 'id'], unique: true, references: { certificate: 'certificates' } },
  vaults: { names: ['prefix', 'name', 'id'], unique: true },
  key_sets: { names: ['name', 'id'], unique: true, children: ['keys'] },
  keys: { names: ['name', 'kid', 'id'], references: { set: 'key_sets' } },
  ...Object.fromEntries(CREDENTIALS.map((kind) => [kind, OF_CONSUMER])),
};
const UNKNOWN_KIND: Kind = { names: ['name', 'id'] };

const FORMAT_VERSIONS = ['1.1', '2.1', '3.0'];

/** Everything that stands in some files, in their order, each entity before those that are nested in it. */
export class KongEntities {
  readonly all: KongEntity[] = [];
  /** The files themselves, as entities of the kind `file` that have the fields beside the collections. */
  readonly files: KongEntity[] = [];
  private readonly byName = new Map<string, Map<string, KongEntity>>();
  /** Whether the files say that they are a part of a configuration, so that what they refer to may be elsewhere. */
  private isPart = false;

  constructor(
    sources: readonly KongSource[],
    env: Environment,
    private readonly problems: ProblemList,
    private readonly warn: (place: KongPlace, message: string) => void,
  ) {
    for (const source of sources) {
      const root = parseSource(source, env, problems);
      if (root) this.readFile(source.file, root);
    }
    for (const entity of this.all) this.resolveReferences(entity);
  }

  ofKind(kind: string): KongEntity[] {
    return this.all.filter((entity) => entity.kind === kind);
  }

  /** By its name or id. */
  find(kind: string, name: string): KongEntity | undefined {
    return this.byName.get(kind)?.get(name);
  }

  /** The entities that a field refers to, for one that is a list. */
  list(kind: string, node: KongNode | undefined): KongEntity[] {
    return (node?.items ?? []).flatMap((item) => this.find(kind, nameIn(item) ?? '') ?? []);
  }

  private readFile(file: string, root: KongNode): void {
    const { fields } = root;
    if (!fields) {
      this.problems.add(root.place, `expected a configuration of Kong, an object with _format_version and services`);
      return;
    }
    const own = new Map<string, KongNode>();
    this.files.push({
      kind: 'file',
      name: file,
      place: { file, line: 1, column: 1 },
      fields: own,
      references: new Map(),
    });
    for (const [name, node] of fields) {
      const isCollection = Object.hasOwn(KINDS, name) || (node.items ?? []).some((item) => item.fields);
      if (isCollection && !name.startsWith('_')) this.readCollection(name, node);
      else own.set(name, node);
    }
    this.checkVersion(root, own.get('_format_version'));
    const info = own.get('_info')?.fields;
    this.isPart ||= ['select_tags', 'default_lookup_tags'].some((name) => info?.get(name)?.isNull === false);
  }

  private checkVersion(root: KongNode, version: KongNode | undefined): void {
    if (version === undefined || version.isNull) {
      this.warn(root.place, 'no _format_version, which only decK may leave out: read as 3.0');
      return;
    }
    const isNumber = typeof version.value === 'number';
    const text = isNumber ? (version.source ?? '') : textOf(version);
    if (!FORMAT_VERSIONS.includes(text ?? '')) {
      const given = JSON.stringify(version.toJson());
      this.problems.add(
        version.place,
        `_format_version: expected one of ${FORMAT_VERSIONS.join(', ')}, but got ${given}`,
      );
    } else if (isNumber) {
      this.warn(version.place, `_format_version is a number, and Kong takes only a text: "${text}"`);
    }
  }

  private readCollection(kind: string, node: KongNode, parent?: KongEntity): void {
    if (node.isNull) return;
    if (!node.items) {
      this.problems.add(node.place, `${kind}: expected a list`);
      return;
    }
    for (const item of node.items) {
      if (item.fields) this.readEntity(kind, item, item.fields, parent);
      else this.problems.add(item.place, `${kind}: expected an object with fields`);
    }
  }

  private readEntity(kind: string, node: KongNode, fields: KongFields, parent: KongEntity | undefined): void {
    const { names, unique, children = [] } = KINDS[kind] ?? UNKNOWN_KIND;
    const isChild = (name: string): boolean => children.includes(name);
    const own = new Map([...fields].filter(([name]) => !isChild(name)));
    const texts = names.map((name) => textOf(fields.get(name)));
    const shown = SECRET_NAMES.has(kind)
      ? (textOf(fields.get('id')) ?? `of ${parent?.name ?? 'a consumer'}`)
      : undefined;
    const name = shown ?? texts.find((text) => text !== undefined) ?? '';
    const entity: KongEntity = {
      kind,
      name,
      place: node.place,
      fields: own,
      references: new Map(),
      ...(parent && { parent }),
    };
    if (parent) entity.references.set(singularOf(parent.kind), parent);
    this.all.push(entity);
    if (unique && texts[0] !== undefined) this.index(entity, texts[0]);
    const id = textOf(fields.get('id'));
    if (id !== undefined && !(unique && id === texts[0])) this.index(entity, id);
    for (const [child, nested] of fields) if (isChild(child)) this.readCollection(child, nested, entity);
  }

  private index(entity: KongEntity, name: string): void {
    const known = this.byName.get(entity.kind) ?? new Map<string, KongEntity>();
    this.byName.set(entity.kind, known);
    const other = known.get(name);
    if (other) {
      // A consumer may be named again in a group.
      if (entity.kind === 'consumers' && (entity.parent ?? other.parent)) return;
      const what = `${singularOf(entity.kind)} "${name}"`;
      this.problems.add(entity.place, `another ${what} stands at ${textOfPlace(other.place)}`);
    } else known.set(name, entity);
  }

  private resolveReferences({ kind, fields, references }: KongEntity): void {
    for (const [field, target] of Object.entries(KINDS[kind]?.references ?? {})) {
      const node = fields.get(field);
      if (!node || node.isNull) continue;
      for (const item of node.items ?? [node]) {
        const name = nameIn(item);
        const found = name === undefined ? undefined : this.find(target, name);
        if (found && !node.items) references.set(field, found);
        if (found) continue;
        if (name === undefined) {
          this.problems.add(item.place, `${field}: expected the name or id of one of ${target}`);
        } else if (this.isPart) {
          this.warn(item.place, `${field} "${name}" is not in these files, which are a part by _info`);
        } else this.problems.add(item.place, `${field}: there is no "${name}" in ${target}`);
      }
    }
  }
}

/** `services` → `service`. */
export function singularOf(kind: string): string {
  return kind.replaceAll('_', ' ').replace(/s$/, '');
}

/** A reference: a name or id, or an object with one. */
function nameIn(node: KongNode): string | undefined {
  const { fields } = node;
  if (!fields) return textOf(node);
  return ['id', 'name', 'username'].map((name) => textOf(fields.get(name))).find((text) => text !== undefined);
}

function textOf(node: KongNode | undefined): string | undefined {
  const value = node?.value;
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;
}
