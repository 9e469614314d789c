import { posix } from 'node:path';
import { addToImports, importNames, moduleClassIn } from './source-text.js';
import { type Context, readJson, readText, rewrite, type Rule, type Tree } from './tree.js';

interface ClientOptions {
  /** The service, with or without `-service`. Folders may stand before it. */
  readonly name: string;
  readonly path?: string;
  readonly sourceRoot: string;
  readonly flat: boolean;
  readonly spec: boolean;
  readonly specFileSuffix: string;
  readonly skipImport: boolean;
}

interface Client {
  /** `user`, of `user-service`. */
  readonly name: string;
  /** `User`. */
  readonly type: string;
  /** Whether imports of the app name the file, as ES modules have to. */
  readonly extension: '' | '.js';
}

/** `nest g -c nest-service-discovery client user`: a declarative client and its test. Files that are there stay as they are. */
export function client(options: ClientOptions): Rule {
  return (tree, context) => {
    const given = posix.parse(options.name);
    const name = given.base.replace(/-(service|client)$/, '');
    const type = name.replace(/(?:^|[-_.])(\w)/g, (_, letter: string) => letter.toUpperCase());
    const isModule = readJson<{ type: string }>(tree, 'package.json').type === 'module';
    const made: Client = { name, type, extension: isModule ? '.js' : '' };
    const folder = posix.join(options.sourceRoot, options.path ?? '', given.dir, options.flat ? '' : name);
    add(tree, context, posix.join(folder, `${name}.client.ts`), sourceOf(made));
    if (options.spec)
      add(tree, context, posix.join(folder, `${name}.client.${options.specFileSuffix}.ts`), specOf(made));
    if (!options.skipImport) importInModule(tree, context, folder, made);
  };
}

function add(tree: Tree, { logger }: Context, path: string, content: string): void {
  if (tree.exists(path)) logger.info(`${path} is there already, and stays as it is.`);
  else tree.create(path, content);
}

/** Imports the client in the nearest module, as Nest does with what it generates. */
function importInModule(tree: Tree, { logger }: Context, folder: string, { name, type, extension }: Client): void {
  const file = nearestModule(tree, folder);
  const text = file === undefined ? undefined : readText(tree, file);
  const className = text === undefined ? undefined : moduleClassIn(text);
  const imported = `ServiceDiscoveryModule.forFeature([${type}Client])`;
  const changed = text && className && !text.includes(`${type}Client`) && addToImports(text, className, [imported]);
  if (changed) {
    const from = posix.relative(posix.dirname(file!), posix.join(folder, `${name}.client`));
    const withModule = importNames(changed, ['ServiceDiscoveryModule'], 'nest-service-discovery');
    const withClient = importNames(
      withModule,
      [`${type}Client`],
      `${from.startsWith('.') ? '' : './'}${from}${extension}`,
    );
    rewrite(tree, file!, withClient);
  } else if (!text?.includes(`${type}Client`)) {
    logger.warn(`No module was found for it: add ${imported} to the imports of one.`);
  }
}

function nearestModule(tree: Tree, folder: string): string | undefined {
  const found = tree.getDir(folder).subfiles.find((file) => file.endsWith('.module.ts'));
  if (found !== undefined) return posix.join(folder, found);
  const parent = posix.dirname(folder);
  return parent === folder || folder === '.' ? undefined : nearestModule(tree, parent);
}

const plural = (name: string): string => `${name.replace(/([^aeiou])y$/, '$1ie').replace(/(?:s|x|ch|sh)$/, '$&e')}s`;

const sourceOf = ({ name, type }: Client): string => `import {
  ServiceCall,
  ServiceClient,
  type ServiceMethod,
} from 'nest-service-discovery';

export interface ${type} {
  id: string;
}

@ServiceClient('${name}-service')
export class ${type}Client {
  @ServiceCall('GET /${plural(name)}/:id')
  readonly find!: ServiceMethod<${type}, { params: { id: string } }>;
}
`;

const specOf = ({ name, type, extension }: Client): string => `import { Test } from '@nestjs/testing';
import { ServiceDiscoveryModule } from 'nest-service-discovery';
import { createTestingDiscovery } from 'nest-service-discovery/testing';
import { ${type}Client } from './${name}.client${extension}';

describe('${type}Client', () => {
  it('finds by id, also while an instance is down', async () => {
    const discovery = createTestingDiscovery();
    const service = discovery.fake('${name}-service', () => ({ id: '1' }), 2);
    const app = await Test.createTestingModule({
      imports: [
        discovery.module,
        ServiceDiscoveryModule.forFeature([${type}Client]),
      ],
    }).compile();
    service.instances[0].kill();

    const found = await app.get(${type}Client).find({ params: { id: '1' } });

    expect(found).toEqual({ id: '1' });
    expect(service.requests[0].path).toBe('/${plural(name)}/1');
  });
});
`;
