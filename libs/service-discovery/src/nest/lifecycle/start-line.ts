import { durationText, withoutPassword } from '../../common/index.js';
import { type LoggerPort } from '../../observability/index.js';
import { joinPaths } from '../declared-routes.js';
import { type ResolvedServiceDiscoveryOptions } from '../options/index.js';

type Options = Pick<
  ResolvedServiceDiscoveryOptions,
  'api' | 'mode' | 'namespace' | 'overruled' | 'redis' | 'remote' | 'services' | 'store'
>;

const IN_A_TEST = "In a test, use ServiceDiscoveryTestingModule or preset: 'testing', which do not wait";

/** What of an app shows only when all of it is there. */
export interface StartedApp {
  /** The names of the services that it registers by itself. */
  readonly registers: readonly string[];
  /** The global prefix; undefined where nothing listens for HTTP. */
  readonly prefix: string | undefined;
  /** The names of the global guards that refuse requests to the API, one of which may do so; none: they pass. */
  readonly guards?: readonly string[];
}

/**
 * One line that says which registry the app is part of, and what it adds to it. Two apps that do not see each other
 * differ in it. A warning beside it where the environment names another registry.
 */
export function logStart(logger: LoggerPort, options: Options, { registers, prefix, guards = [] }: StartedApp): void {
  const { mode, services } = options;
  const registry = registryOf(options);
  // In the mode `remote` it is the registry's own.
  const namespace = mode === 'remote' ? undefined : options.namespace;
  const lists = [...new Set(services.map(({ serviceName }) => serviceName))];
  const parts = [
    `Registry: ${registry}${mode === undefined ? '' : ` (${mode})`}`,
    namespace === undefined ? '' : `namespace ${namespace}`,
    registers.length === 0 ? 'registers nothing' : `registers ${registers.join(', ')}`,
    lists.length === 0 ? '' : `lists ${lists.join(', ')}`,
    apiOf(options.api, prefix, guards),
  ];
  logger.log(parts.filter((part) => part !== '').join('; '), { mode, registry, namespace, registers, lists });
  for (const variable of options.overruled) {
    logger.warn(
      `mode: 'memory_only' in the code wins over ${variable}, so this process is a registry of its own: ` +
        `leave mode out to use the registry of ${variable}, or unset ${variable} here`,
      { variable },
    );
  }
}

/**
 * One line for an app that starts before the registry has answered. It is an error, since the logger of Nest's testing module
 * prints only errors, and a test is where the wait surprises.
 * @param failure why the last attempt failed; undefined: no answer at all
 */
export function logNoRegistry(logger: LoggerPort, options: Options, waitedMs: number, failure?: string): void {
  const registry = registryOf(options);
  const within = `within ${durationText(waitedMs)} (startTimeout)`;
  const found =
    failure === undefined
      ? `did not answer ${within}; connecting goes on in the background. ${IN_A_TEST}`
      : `could not be read ${within}; connecting goes on in the background. The last attempt failed: ${failure}`;
  logger.error(`Starting without the registry: ${registry} ${found}`, { registry, waitedMs, failure });
}

function registryOf({ mode, store, remote, redis }: Options): string {
  if (store !== undefined) return `a store of the app (${store.constructor.name})`;
  if (mode === 'memory_only') return 'this process';
  const url = remote?.url ?? redis?.url;
  return url === undefined ? "Redis, by the app's own client" : String(withoutPassword(url));
}

function apiOf(api: Options['api'], prefix: string | undefined, guards: readonly string[]): string {
  if (api === false || prefix === undefined) return 'no API';
  const place = `API at /${joinPaths(prefix, api.path)}`;
  const behind = guards.length === 0 ? [] : [`behind a guard (${guards.join(', ')})`];
  const open = api.guardReads || guards.length > 0 ? [] : ['reading open'];
  const what = [...behind, ...open, api.guardReads ? 'reading and writing' : 'writing'];
  return `${[place, ...what].join(', ')} ${whoIsLetIn(api)}`;
}

function whoIsLetIn({ token, access, guard }: Exclude<Options['api'], false>): string {
  const withToken = token === undefined ? [] : ['with the token'];
  const byRules = access === undefined ? [] : ['by the rules of api.access'];
  const name = guard instanceof Function ? guard.name : guard?.constructor.name;
  const ways = [...withToken, ...byRules, ...(name === undefined ? [] : [`as ${name} decides`])];
  if (ways.length === 0) return 'from this machine (SERVICE_DISCOVERY_TOKEN lets others in)';
  return (access ?? guard) === undefined ? `${ways.join(' or ')} or from this machine` : ways.join(' or ');
}
