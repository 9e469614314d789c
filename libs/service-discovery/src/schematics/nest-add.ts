import { posix } from 'node:path';
import {
  addToImports,
  callOnApp,
  type CreatedApp,
  decorateModule,
  findCreatedApp,
  hasCode,
  importedFrom,
  importNames,
} from './source-text.js';
import { readJson, readText, rewrite, type Rule, type Tree } from './tree.js';

interface NestAddOptions {
  readonly sourceRoot: string;
  readonly mode: 'memory_only' | 'remote' | 'redis_backed' | 'hybrid';
}

interface NestProject {
  readonly sourceRoot?: string;
  readonly entryFile?: string;
}

interface NestCli extends NestProject {
  readonly projects: Readonly<Record<string, NestProject>>;
}

/**
 * `nest add nest-service-discovery`: the module and `@DiscoverableService()` on the root module, shutdown hooks in the entry
 * file. What is there already stays as it is.
 * @throws Error if the root module is not found
 */
export function nestAdd({ sourceRoot, mode }: NestAddOptions): Rule {
  return (tree) => {
    const { projects = {}, ...single } = readJson<NestCli>(tree, 'nest-cli.json');
    const [project, settings] = Object.entries(projects).find(([, of]) => of.sourceRoot === sourceRoot) ?? [];
    const main = posix.join(sourceRoot, `${settings?.entryFile ?? single.entryFile ?? 'main'}.ts`);
    const mainText = readText(tree, main);
    if (mainText === undefined) throw new Error(`${main} was not found. Run this in the folder of a Nest app.`);
    const created = findCreatedApp(mainText);
    if (created === undefined) throw noRootModule(`${main} has no "const app = await NestFactory.create(AppModule)"`);

    const file = findRootModule(tree, main, mainText, created);
    const name = project ?? readJson<{ name: string }>(tree, 'package.json').name?.split('/').at(-1) ?? 'app';
    rewrite(tree, file, withDiscovery(readText(tree, file)!, { ...created, file, name, mode }));
    // Read again: the root module may be in the same file.
    rewrite(tree, main, withShutdownHooks(readText(tree, main)!));
  };
}

function findRootModule(tree: Tree, main: string, text: string, { rootModule }: CreatedApp): string {
  const from = importedFrom(text, rootModule);
  if (from === undefined) return main;
  const path = posix.join(posix.dirname(main), from.replace(/\.js$/, ''));
  const file = from.startsWith('.') && [`${path}.ts`, `${path}/index.ts`].find((candidate) => tree.exists(candidate));
  if (file) return file;
  throw noRootModule(`${main} imports ${rootModule} from '${from}', which is no file beside it`);
}

function withDiscovery(
  text: string,
  { rootModule, file, name, mode }: CreatedApp & { file: string; name: string; mode: NestAddOptions['mode'] },
): string {
  const names: string[] = [];
  const dashboard: string[] = [];
  let changed: string | undefined = text;
  if (!hasCode(text, /@DiscoverableService\b/)) {
    names.push('DiscoverableService');
    changed = decorateModule(changed, rootModule, `@DiscoverableService({ name: '${name}' })`);
  }
  if (!hasCode(text, /\bServiceDiscoveryModule\s*\.\s*forRoot/)) {
    names.push('ServiceDiscoveryModule');
    // With `remote`, the process behind the URL serves it.
    if (mode !== 'remote') dashboard.push('ServiceDiscoveryDashboardModule');
    changed &&= addToImports(changed, rootModule, [moduleFor(mode), ...dashboard]);
  }
  if (changed === undefined)
    throw noRootModule(`${file} has no class ${rootModule} with @Module({ imports: [] }) above it`);
  return importNames(
    importNames(changed, names, 'nest-service-discovery'),
    dashboard,
    'nest-service-discovery/dashboard',
  );
}

/** The places of registrations other than the default come from the environment. */
const moduleFor = (mode: NestAddOptions['mode']): string =>
  mode === 'remote'
    ? `ServiceDiscoveryModule.forRoot({
  mode: 'remote',
  registryUrl:
    process.env.SERVICE_DISCOVERY_REGISTRY_URL ?? 'http://127.0.0.1:3000',
})`
    : `ServiceDiscoveryModule.forRoot({ mode: '${mode}' })`;

function withShutdownHooks(text: string): string {
  const created = findCreatedApp(text);
  if (created === undefined || hasCode(text, /\.\s*enableShutdownHooks\s*\(/)) return text;
  return callOnApp(text, created, 'enableShutdownHooks()');
}

const noRootModule = (reason: string): Error =>
  new Error(
    `The root module was not found: ${reason}. Nothing was changed. Import ServiceDiscoveryModule.forRoot() in it by hand, as the README of nest-service-discovery shows.`,
  );
