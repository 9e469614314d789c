import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Logger } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { describe, expect, it, jest } from '@jest/globals';
import {
  DiscoveryMetrics,
  EventBus,
  getServiceDiscoveryConfig,
  MemoryRegistryStore,
  ServiceRegistry,
  UpstreamErrorFilter,
} from 'nest-service-discovery';
import * as core from 'nest-service-discovery/core';
import { Registry } from 'prom-client';
import { parse } from 'yaml';
import { countOneOfEach } from './support/one-of-each.js';
import {
  MODULE_RESOLUTIONS,
  NEST_VERSIONS,
  NODE_VERSIONS,
  OPTIONAL_PEERS,
  TYPESCRIPT_VERSIONS,
} from './compat/versions.js';
import { readPages } from './support/pages.js';
import { operationOf } from './support/routes.js';
import { withEventTable } from '../scripts/event-table.mjs';
import { readDocstrings, withOptionRows } from '../scripts/option-tables.mjs';
import { PROBLEMS, toMarkdown } from '../libs/service-discovery/src/cli/doctor/index.js';
import {
  namesIn as optionsIn,
  OPTION_GROUPS,
  TOP_LEVEL_OPTIONS,
} from '../libs/service-discovery/src/nest/options/known-options.js';
import { variableFor } from '../libs/service-discovery/src/nest/options/environment.js';
import { API_LIMIT_OPTIONS } from '../libs/service-discovery/src/nest/rest/limits/limit-options.js';
import { OPERATIONS } from '../libs/service-discovery/src/nest/rest/openapi/operations.js';
import { type RestErrorCode, toErrorBody } from '../libs/service-discovery/src/nest/rest/rest-error.js';
import { ServiceDiscoveryError } from '../libs/service-discovery/src/common/index.js';

const root = join(import.meta.dirname, '..');
const page = (name: string): Promise<string> => readFile(join(root, 'docs', name), 'utf8');

/** The cells of every table row of a page whose first cell is a name in backticks. */
function rowsOf(text: string): string[][] {
  return [...text.matchAll(/^\| `(.*) \|$/gm)].map(([line]) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

const namesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

describe('docs/troubleshooting.md', () => {
  it('asks what the doctor asks (npm run generate:troubleshooting)', async () => {
    expect(await page('troubleshooting.md')).toContain(toMarkdown(PROBLEMS));
  });
});

describe('docs/compatibility.md', () => {
  it('names the versions and peers that npm run test:compat runs with', async () => {
    const text = await page('compatibility.md');
    const supported = new Map([...text.matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)].map(([, of, which]) => [of, which!]));
    expect(supported.get('Node')).toMatch(new RegExp(`^${NODE_VERSIONS.join(', ')}, `));
    expect(supported.get('Nest')!.match(/\d+/g)!.map(Number)).toEqual(NEST_VERSIONS.map(([major]) => major));
    expect(supported.get('TypeScript')).toMatch(new RegExp(`^${TYPESCRIPT_VERSIONS.join(', ')}, `));
    expect(namesIn(supported.get('`moduleResolution`')!)).toEqual(Object.keys(MODULE_RESOLUTIONS));
    const peers = text.slice(text.indexOf('## Optional peers'));
    expect(
      rowsOf(peers)
        .flatMap(([packages]) => namesIn(packages!))
        .sort(),
    ).toEqual([...OPTIONAL_PEERS].sort());
  });
});

describe('docs/migrate-from-kong.md', () => {
  it('links each row of its mapping to the page that explains it', async () => {
    const tables = (await page('migrate-from-kong.md')).split(/\n\n/).filter((part) => part.startsWith('| Kong'));
    const rows = tables.flatMap((table) => table.trim().split('\n').slice(2));
    expect(rows.length).toBeGreaterThan(60);
    expect(rows.filter((row) => !/\]\([^)]+\) \|$/.test(row))).toEqual([]);
  });
});

describe('SECURITY.md', () => {
  it('names a test for each attack', async () => {
    const text = await readFile(join(root, 'SECURITY.md'), 'utf8');
    const rows = [...text.matchAll(/^\| (?!attack|---)(.*) \|$/gm)].map(([, row]) => row!.split(' | '));
    const named = rows.map((cells) => namesIn(cells.at(-1)!));
    expect(named.filter((names) => names.length === 0)).toEqual([]);
    const files = await readdir(join(root, 'test/attacks'));
    const tests = files.map((file) => file.replace(/(\.long)?\.e2e-spec\.ts$/, ''));
    expect(named.flat().filter((name) => !tests.includes(name))).toEqual([]);
  });

  it('names options that there are', async () => {
    const text = await readFile(join(root, 'SECURITY.md'), 'utf8');
    const options = await page('reference/configuration.md');
    const named = [
      ...text.matchAll(/`((?:api|transport|redis|circuitBreaker)\.[\w.]+|requireTls|allowedHosts|inheritDeadline)`/g),
    ];
    expect(named.length).toBeGreaterThan(0);
    expect(named.map(([, name]) => name!).filter((name) => !options.includes(`\`${name}`))).toEqual([]);
  });
});

describe('docs/reference/errors.md', () => {
  it('has one row for each code, with its status in the API', async () => {
    const [library] = (await page('reference/errors.md')).split('## Answers of the REST API');
    const documented = rowsOf(library!).map((cells) => [namesIn(cells[0]!)[0], cells.at(-1)]);
    const inCode = (Object.keys(core.ERROR_CODES) as (keyof typeof core.ERROR_CODES)[]).map((code) => [
      code,
      String(toErrorBody(new ServiceDiscoveryError(code, ''))?.status_code ?? '–'),
    ]);
    expect(documented.sort()).toEqual(inCode.sort());
  });

  it('has the anchor that each error names as its page', async () => {
    const text = await page('reference/errors.md');
    for (const code of Object.keys(core.ERROR_CODES) as (keyof typeof core.ERROR_CODES)[]) {
      const [file, anchor] = new ServiceDiscoveryError(code, '').page.split('#');
      expect({ code, file }).toEqual({ code, file: 'nest-service-discovery/docs/reference/errors.md' });
      expect(text).toContain(`| \`${code}\` <a id="${anchor}"></a> |`);
    }
  });

  it('has the anchor that each error of the REST API names as its page', async () => {
    const only: Record<Exclude<RestErrorCode, core.ErrorCode>, true> = {
      UNAUTHORIZED: true,
      FORBIDDEN: true,
      ACCESS_DENIED: true,
      KEYS_UNAVAILABLE: true,
      NOT_FOUND: true,
      PAYLOAD_TOO_LARGE: true,
      LIMIT_REACHED: true,
      TOO_MANY_STREAMS: true,
      INTERNAL_ERROR: true,
    };
    const [, table] = (await page('reference/errors.md')).split('## Answers of the REST API');
    for (const code of Object.keys(only)) expect(table).toContain(`| \`${code}\` <a id="${code}"></a> |`);
  });

  it('has the status that users of an app receive, for each code', async () => {
    const [, table] = (await page('reference/errors.md')).split('## Answers to the users of your app');
    const documented = [...table!.matchAll(/^\| (5\d\d)[^|]* \| (.*) \|$/gm)].flatMap(([, status, codes]) =>
      namesIn(codes!).map((code) => [code, Number(status)]),
    );
    const inCode = (Object.keys(core.ERROR_CODES) as (keyof typeof core.ERROR_CODES)[]).map((code) => [
      code,
      statusFor(new ServiceDiscoveryError(code, '')),
    ]);
    expect(documented.sort()).toEqual(inCode.sort());
  });
});

function statusFor(error: ServiceDiscoveryError): number | undefined {
  let answered: number | undefined;
  const response = { status: (status: number) => (answered = status), header: () => undefined, send: () => undefined };
  const host = new ExecutionContextHost([{}, response]);
  const filter = new UpstreamErrorFilter();
  for (const level of ['warn', 'error'] as const) jest.spyOn(Logger.prototype, level).mockReturnValue(undefined);
  filter.catch(error, host);
  jest.restoreAllMocks();
  return answered;
}

interface Shown {
  readonly name: string;
  readonly type: string;
  readonly values: readonly { readonly labels: object }[];
}

describe('docs/reference/metrics.md', () => {
  it('has one row for each metric, with its type and labels', async () => {
    const store = new MemoryRegistryStore();
    const registry = new ServiceRegistry(store);
    await registry.start();
    await registry.register({ serviceName: 'users', instanceId: 'a', host: '127.0.0.1', port: 80 });
    const { snapshot } = registry;
    const expiryHolds = new Map([['users', { since: 1, overdue: 1, total: 1 }]]);
    const source = { snapshot: { ...snapshot, expiryHolds }, ageMs: () => 0 };
    const bus = new EventBus();
    const collected = new Registry();
    const metrics = new DiscoveryMetrics(
      bus,
      source,
      { registry: collected },
      { load: () => [{ service: 'users', inFlight: 1, queued: 0 }] },
    );
    countOneOfEach(bus);

    const shown = (await collected.getMetricsAsJSON()) as unknown as Shown[];
    const inCode = shown.map(({ name, type, values }) => {
      const labels = new Set(values.flatMap((value) => Object.keys(value.labels)));
      labels.delete('le');
      return { name: name.replace('service_discovery_', ''), type, labels: [...labels].sort() };
    });
    const tables = (await page('reference/metrics.md')).split('## Queries')[0]!;
    const documented = rowsOf(tables).map(([name, type, labels]) => ({
      name: namesIn(name!)[0],
      type,
      labels: namesIn(labels!).sort(),
    }));
    const byName = (one: { name?: string }, other: { name?: string }): number => (one.name! < other.name! ? -1 : 1);
    expect(documented.sort(byName)).toEqual(inCode.sort(byName));

    metrics.close();
    await registry.close();
    await store.close();
  });

  it('uses only existing metrics in its queries', async () => {
    const text = await page('reference/metrics.md');
    const [tables, queries] = text.split('## Queries') as [string, string];
    const names = rowsOf(tables).map(([name]) => `service_discovery_${namesIn(name!)[0]}`);
    const used = [...queries.matchAll(/service_discovery_\w+?(?=_bucket|\b)/g)].map(([name]) => name);
    expect(used.length).toBeGreaterThan(5);
    expect(used.filter((name) => !names.includes(name))).toEqual([]);
  });
});

const PRESETS = ['development', 'testing', 'staging', 'production'] as const;

/** The values of a preset, by path: `retry.baseDelay`. */
function settingsOf(preset: (typeof PRESETS)[number]): Record<string, string> {
  const { preset: _name, ...settings } = getServiceDiscoveryConfig(preset);
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]: [string, unknown]) =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).map(([key, own]) => [`${name}.${key}`, literal(own)])
        : [[name, literal(value)]],
    ),
  );
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}

describe('docs/reference/configuration.md', () => {
  /** Options whose own options are shown as one value, or elsewhere. */
  const AS_ONE = ['serviceCircuitBreaker'];

  it('has every option once', async () => {
    const [tables] = (await page('reference/configuration.md')).split('## Presets');
    const documented = rowsOf(tables!).flatMap(([cell]) => namesIn(cell!.replaceAll(/\(.*\)/g, '')));
    const inCode = TOP_LEVEL_OPTIONS.names
      .flatMap((name) => {
        const inner = optionsIn(name);
        return inner === null || AS_ONE.includes(name) ? [name] : inner.map((key) => `${name}.${key}`);
      })
      // Also the options of a group inside of another one.
      .flatMap((name) =>
        name === 'redis.signing' ? OPTION_GROUPS[name]!.names.map((key) => `${name}.${key}`) : [name],
      );
    const transport = documented.filter((name) => name.startsWith('transport.'));
    expect(transport.length).toBeGreaterThan(5);
    expect(documented.filter((name) => !transport.includes(name)).sort()).toEqual(
      inCode.filter((name) => !AS_ONE.includes(name)).sort(),
    );
    for (const name of AS_ONE) expect(tables).toContain(`### \`${name}\``);
  });

  it('shows default, range and docstring of each option as the code has them (npm run generate:options)', async () => {
    const text = await page('reference/configuration.md');
    const docstrings = await readDocstrings(join(root, 'libs/service-discovery/src'));
    expect(text).toBe(withOptionRows(text, OPTION_GROUPS, docstrings, variableFor));
  });

  it('names each strategy, which has a row in docs/balancing.md', async () => {
    const strategies = Object.values(core.LoadBalancingStrategy);
    const [, , range] = rowsOf(await page('reference/configuration.md')).find(([cell]) =>
      cell!.startsWith('`loadBalancing.strategy`'),
    )!;
    expect(namesIn(range!).slice(0, -1)).toEqual(strategies);
    const [, table] = (await page('balancing.md')).split('## Strategies');
    expect(rowsOf(table!.split('Measured with')[0]!).map(([cell]) => namesIn(cell!)[0])).toEqual(strategies);
  });

  it('leaves the limits of the API to the table of docs/security.md, which has their names and defaults', async () => {
    const limits = (await page('security.md')).split('## Limits')[1]!.split('\n## ')[0]!;
    const shown = rowsOf(limits).map(([name, value]) => [namesIn(name!)[0], Number(value!.replaceAll(',', ''))]);
    expect(Object.fromEntries(shown)).toEqual(API_LIMIT_OPTIONS.resolve({}));
  });

  it('names the variable of each option that has one', async () => {
    const [tables] = (await page('reference/configuration.md')).split('## Presets');
    for (const [cell] of rowsOf(tables!)) {
      const names = namesIn(cell!.replaceAll(/\(.*\)/g, ''));
      const wanted = names.map((name) => variableFor(name === 'loadBalancing.strategy' ? 'loadBalancing' : name));
      const variables = [...cell!.matchAll(/SERVICE_DISCOVERY_\w+/g)].map(([variable]) => variable);
      expect({ names, variables }).toEqual({ names, variables: wanted.filter((name) => name !== undefined) });
    }
  });

  it('shows the presets side by side with their actual values', async () => {
    const [, presets] = (await page('reference/configuration.md')).split('## Presets');
    const rows = rowsOf(presets!);
    const documented = PRESETS.map((_preset, index) => {
      const column = rows.map((cells) => [namesIn(cells[0]!)[0]!, namesIn(cells[index + 2]!)[0]] as const);
      return Object.fromEntries(column.filter(([, value]) => value !== undefined)) as Record<string, string>;
    });
    expect(documented).toEqual(PRESETS.map(settingsOf));
  });
});

describe('docs/reference/rest.md', () => {
  it('has each route of the API, as a command or in the text', async () => {
    const text = (await page('reference/rest.md')).replaceAll(/\\\n\s*/g, '');
    const commands = text.matchAll(
      /^curl (?:-X (?<method>[A-Z]+) )?'?http:\/\/127\.0\.0\.1:3000\/service-discovery(?<path>[^ '\n]+)/gm,
    );
    const named = text.matchAll(/`(?<method>[A-Z]+) (?:\/service-discovery)?(?<path>\/[^ `]+)`/g);
    const shown = [...commands, ...named].map(({ groups }) => operationOf(groups!.method ?? 'GET', groups!.path!));
    const missing = Object.values(OPERATIONS).filter((operation) => !shown.includes(operation));
    expect(missing.map(({ route }) => route)).toEqual([]);
  });
});

describe('docs/reference/events.md', () => {
  it('has each event as its declaration does (npm run generate:events)', async () => {
    const text = await page('reference/events.md');
    expect(rowsOf(text).length).toBeGreaterThan(40);
    expect(await withEventTable(text)).toBe(text);
  });
});

describe('docs/runbook.md', () => {
  it('has a line for each alert: what its annotation says', async () => {
    const { groups } = parse(await page('prometheus/alerts.yml')) as {
      groups: { rules: { alert: string; labels: { severity: string }; annotations: { runbook: string } }[] }[];
    };
    const alerts = groups.flatMap(({ rules }) => rules);
    const wanted = alerts.map(({ alert, labels, annotations }) => [
      `\`${alert}\``,
      labels.severity,
      annotations.runbook.replaceAll('{{ $labels.service }}', ':service'),
    ]);
    const rows = rowsOf(await page('runbook.md')).filter(([name]) => !name!.includes(' '));
    expect(rows).toEqual(wanted);
  });
});

describe('docs/without-nest.md', () => {
  it('names everything that ./core exports beside types, but for errors and options', async () => {
    const named = new Set(rowsOf(await page('without-nest.md')).flatMap(([names]) => namesIn(names!)));
    const isErrorClass = (value: unknown): boolean =>
      typeof value === 'function' && value.prototype instanceof ServiceDiscoveryError;
    const missing = Object.entries(core)
      .filter(([name, value]) => !named.has(name) && !/^DEFAULT_|_OPTIONS$/.test(name) && !isErrorClass(value))
      .map(([name]) => name);
    expect(missing).toEqual([]);
  });
});

describe('docs/README.md', () => {
  it('links to every page', async () => {
    const index = await page('README.md');
    const paths = [...(await readPages()).keys()].map((path) => path.replace('docs/', ''));
    expect(paths.filter((path) => path !== 'README.md' && !index.includes(`](${path})`))).toEqual([]);
  });
});

describe('links in the docs', () => {
  const anchorsOf = (text: string): string[] =>
    [...text.matchAll(/^#{1,4} (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    );

  it('lead to existing pages and headings', async () => {
    const dead: string[] = [];
    for (const [from, text] of await readPages()) {
      for (const [, path = '', anchor] of text.matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
        const target = path === '' ? from : join(dirname(from), path);
        const exists = existsSync(join(root, target));
        const reaches =
          exists && (anchor === undefined || anchorsOf(await readFile(join(root, target), 'utf8')).includes(anchor));
        if (!reaches) dead.push(`${from}: ${path}${anchor === undefined ? '' : `#${anchor}`}`);
      }
    }
    expect(dead).toEqual([]);
  });
});
