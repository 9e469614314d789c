import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  formatKongReport,
  type KongImport,
  KongImporter,
  KongImportError,
  type KongReport,
} from 'nest-service-discovery/kong';
import { KongEntities } from '../../libs/service-discovery/src/kong/entities.js';
import { KongNode } from '../../libs/service-discovery/src/kong/kong-node.js';
import { findRegistrationProblems } from '../../libs/service-discovery/src/model/index.js';
import { resolveServiceDiscoveryOptions } from '../../libs/service-discovery/src/nest/index.js';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const GOLDEN = join(import.meta.dirname, 'golden');
const ENV = { DECK_NAME: 'billing', DECK_HOST: 'billing.internal', DECK_PORT: '8081', SERVICE_NAME: 'pay' };

const importer = new KongImporter({ env: ENV });
const importFixture = (name: string): KongImport =>
  importer.importSources([{ file: name, text: readFileSync(join(FIXTURES, name), 'utf8') }]);
const importText = (text: string): KongImport => importer.importSources([{ file: 'kong.yaml', text }]);
const problemsOf = (run: () => unknown): KongImportError => {
  try {
    run();
  } catch (error) {
    if (error instanceof KongImportError) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
};

/** Compares with a committed file; `UPDATE_GOLDEN=1` writes it. */
function expectGolden(name: string, text: string): void {
  const path = join(GOLDEN, name);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, text);
  expect(existsSync(path) ? readFileSync(path, 'utf8') : `missing: ${name}`).toBe(text);
}

describe('the import of a configuration of Kong', () => {
  it.each(['format-1.1', 'format-2.1', 'format-3.0', 'db-export'])(
    'makes the module, the registrations and the report of %s',
    (name) => {
      const imported = importFixture(`${name}.yaml`);
      expectGolden(`${name}.ts`, imported.toTypeScript());
      expectGolden(`${name}.registrations.json`, `${JSON.stringify(imported.registrations, null, 2)}\n`);
      expectGolden(`${name}.report.txt`, formatKongReport(imported.report));
      expectAccepted(imported);
    },
  );

  it('reads the files of a folder as one configuration', async () => {
    const { options, report } = await importer.importFiles([join(FIXTURES, 'folder')]);
    expect(options.services).toEqual([expect.objectContaining({ name: 'users', targets: ['http://10.0.0.1:8001'] })]);
    expect(report.entities.map(({ kind, file }) => [kind, file.slice(FIXTURES.length + 1)])).toEqual([
      ['file', 'folder/1-services.json'],
      ['file', 'folder/2-upstreams.yml'],
      ['services', 'folder/1-services.json'],
      ['upstreams', 'folder/2-upstreams.yml'],
      ['targets', 'folder/2-upstreams.yml'],
    ]);
  });

  it.each([
    'broken-yaml',
    'broken-version',
    'broken-references',
    'broken-types',
    'broken-doubles',
    'broken-doubles-of-entities',
    'broken-placeholders',
    'broken-documents',
    'broken-root',
  ])('says by file, line and column what is wrong in %s', (name) => {
    const error = problemsOf(() => importFixture(`${name}.yaml`));
    expectGolden(`${name}.txt`, `${error.message}\n`);
    expect(error.problems.length).toBeGreaterThan(0);
    for (const { file, line, column } of error.problems) {
      expect([file, line > 0, column > 0]).toEqual([`${name}.yaml`, true, true]);
    }
  });

  it('takes a reference by UUID for that to the same entity by name', () => {
    const id = '11111111-1111-4111-8111-111111111111';
    const withReference = (reference: string): KongImport =>
      importText(`_format_version: "3.0"
services: [{ name: users, host: u }]
upstreams: [{ name: u, id: ${id} }]
targets: [{ target: "10.0.0.1:80", upstream: ${reference} }]`);
    const { services } = withReference('u').options;
    for (const reference of [id, '{ name: u }', `{ id: ${id} }`]) {
      expect(withReference(reference).options.services).toEqual(services);
    }
  });

  it('counts columns in the file as it is, before placeholders are filled in', () => {
    const text = `_format_version: "3.0"\nservices:\n  - { name: \${{ env "DECK_NAME" }}, host: h, port: none }\n`;
    const { problems } = problemsOf(() => importText(text));
    expect(problems).toEqual([
      {
        file: 'kong.yaml',
        line: 3,
        column: text.split('\n')[2]!.indexOf('none') + 1,
        message: 'service "billing": port: expected a whole number from 0 to 65535, but got "none"',
      },
    ]);
  });

  it('leaves a regular expression with a dollar sign as it is', () => {
    const { report } = importText(`_format_version: "3.0"\nroutes: [{ name: r, paths: ["~/a$", "~/$UNSET_NAME"] }]`);
    expect(report.entities.at(-1)).toMatchObject({ name: 'r', outcome: 'not_carried' });
  });

  it.each([
    { healthy: [], unhealthy: [302], expected: [[200], [302]] },
    { healthy: [], unhealthy: [200, 302], expected: [[201], [200, 302]] },
    { healthy: [599], unhealthy: [], expected: [[599], [200]] },
    { healthy: [200], unhealthy: [], expected: [[200], [599]] },
  ])('keeps statuses apart where healthy are $healthy and unhealthy are $unhealthy', (given) => {
    const active = {
      healthy: { interval: 1, http_statuses: given.healthy },
      unhealthy: { http_statuses: given.unhealthy },
    };
    const { options } = importText(
      JSON.stringify({
        _format_version: '3.0',
        services: [{ name: 'users', host: 'u' }],
        upstreams: [{ name: 'u', healthchecks: { active } }],
        targets: [{ target: '10.0.0.1:80', upstream: 'u' }],
      }),
    );
    const { healthyStatuses, unhealthyStatuses } = options.healthCheck.services.users!;
    expect([healthyStatuses, unhealthyStatuses]).toEqual(given.expected);
  });

  it('gives up on aliases without end', () => {
    const { message } = problemsOf(() => importText('_format_version: "3.0"\nservices: &a [*a]'));
    expect(message).toContain('nested too deeply');
  });
});

/** What comes out is accepted as options and as registrations. */
function expectAccepted({ options, registrations }: KongImport): void {
  expect(() => resolveServiceDiscoveryOptions(options, {})).not.toThrow();
  expect(registrations.flatMap((registration) => findRegistrationProblems(registration))).toEqual([]);
}

/** What a generated file has: the text, and the name of each of its entities. */
interface Generated {
  readonly text: string;
  readonly names: readonly string[];
}

const host = fc.stringMatching(/^[a-z][a-z0-9]{1,8}$/);
const target = fc.record({
  weight: fc.option(fc.integer({ min: 0, max: 65_535 })),
  tags: fc.option(
    fc.array(
      fc.stringMatching(/^[ -~]{1,20}$/).filter((tag) => !/[,/]/.test(tag)),
      { maxLength: 3 },
    ),
  ),
});
const count = fc.option(fc.integer({ min: 0, max: 255 }));
const seconds = fc.option(fc.double({ min: 0, max: 65_535, noNaN: true }));
const statuses = fc.option(fc.array(fc.integer({ min: 100, max: 999 }), { maxLength: 12 }));
const type = fc.option(fc.constantFrom('http', 'https', 'tcp', 'grpc', 'grpcs'));
const counts = { http_failures: count, tcp_failures: count, timeouts: count };
const hash = fc.option(
  fc.constantFrom('none', 'consumer', 'ip', 'header', 'cookie', 'path', 'query_arg', 'uri_capture'),
);
const upstream = fc.record({
  algorithm: fc.option(
    fc.constantFrom('round-robin', 'least-connections', 'consistent-hashing', 'latency', 'sticky-sessions'),
  ),
  hash_on: hash,
  hash_fallback: hash,
  hash_on_header: fc.option(fc.constant('x-user')),
  hash_on_cookie: fc.option(fc.constant('session')),
  hash_on_query_arg: fc.option(fc.constant('user')),
  hash_fallback_header: fc.option(fc.constant('x-tenant')),
  healthchecks: fc.option(
    fc.record(
      {
        threshold: fc.option(fc.double({ min: 0, max: 100, noNaN: true })),
        active: fc.record({
          type,
          timeout: seconds,
          http_path: fc.option(fc.constant('/status')),
          headers: fc.option(fc.constant({ 'x-probe': ['kong'] })),
          https_sni: fc.option(fc.constant('users.internal')),
          healthy: fc.record({ interval: seconds, successes: count, http_statuses: statuses }),
          unhealthy: fc.record({ interval: seconds, http_statuses: statuses, ...counts }),
        }),
        passive: fc.record({
          type,
          healthy: fc.record({ successes: count, http_statuses: statuses }),
          unhealthy: fc.record({ http_statuses: statuses, ...counts }),
        }),
      },
      { requiredKeys: [] },
    ),
  ),
  targets: fc.array(target, { maxLength: 3 }),
});
const service = fc.record({
  protocol: fc.option(
    fc.constantFrom('http', 'https', 'grpc', 'grpcs', 'tcp', 'tls', 'tls_passthrough', 'udp', 'ws', 'wss'),
  ),
  port: fc.option(fc.integer({ min: 1, max: 65_535 })),
  path: fc.option(fc.constantFrom('/', '/v1', '/a b', '/v1/')),
  retries: fc.option(fc.integer({ min: 0, max: 32_767 })),
  connect_timeout: fc.option(fc.integer({ min: 1, max: 2 ** 31 - 2 })),
  read_timeout: fc.option(fc.integer({ min: 1, max: 2 ** 31 - 2 })),
  enabled: fc.option(fc.boolean()),
  tls_verify: fc.option(fc.boolean()),
  upstream: fc.option(upstream),
  host,
  routes: fc.integer({ min: 0, max: 2 }),
});

/** A file in which each entity has a name of its own, children nested or beside their parents, references by name or id. */
const configuration = fc
  .record({
    version: fc.constantFrom('1.1', '2.1', '3.0'),
    isNested: fc.boolean(),
    byId: fc.boolean(),
    services: fc.array(service, { maxLength: 5 }),
    others: fc.array(fc.constantFrom('consumers', 'vaults', 'plugins', 'snis', 'custom'), { maxLength: 4 }),
  })
  .map(({ version, isNested, byId, services, others }): Generated => {
    const names: string[] = [];
    const named = (name: string): string => {
      names.push(name);
      return name;
    };
    const idOf = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
    const file: Record<string, object[]> = { services: [], upstreams: [], targets: [], routes: [] };
    services.forEach(({ upstream: own, host: alone, routes, ...fields }, index) => {
      const upstreamName = `upstream-${index}`;
      const nestedRoutes = Array.from({ length: routes }, (_, route) => ({ name: named(`route-${index}-${route}`) }));
      const reference = byId ? idOf(index) : `service-${index}`;
      if (!isNested) file.routes!.push(...nestedRoutes.map((route) => ({ ...route, service: reference })));
      file.services!.push({
        ...fields,
        id: idOf(index),
        name: named(`service-${index}`),
        host: own ? upstreamName : alone,
        ...(isNested && { routes: nestedRoutes }),
      });
      if (!own) return;
      const { targets, ...settings } = own;
      const id = idOf(1_000 + index);
      const addressed = targets.map((fields, number) => ({ ...fields, target: named(`10.${index}.0.${number}:80`) }));
      file.upstreams!.push({ ...settings, id, name: named(upstreamName), ...(isNested && { targets: addressed }) });
      if (!isNested) file.targets!.push(...addressed.map((one) => ({ ...one, upstream: byId ? id : upstreamName })));
    });
    others.forEach((kind, index) => {
      const name = named(`${kind}-${index}`);
      (file[kind] ??= []).push(
        kind === 'consumers' ? { username: name } : kind === 'vaults' ? { prefix: name } : { name },
      );
    });
    return { text: JSON.stringify({ _format_version: version, ...file }, null, 1), names };
  });

describe('any configuration', () => {
  it('stands in the report entity by entity, each once, and comes out as options that are accepted', () => {
    fc.assert(
      fc.property(configuration, ({ text, names }) => {
        const imported = importText(text);
        const reported = imported.report.entities.filter(({ kind }) => kind !== 'file').map(({ name }) => name);
        expect(reported.toSorted()).toEqual(names.toSorted());
        expect(fieldsIn(imported.report)).toBe(leavesIn(JSON.parse(text) as object));
        expectAccepted(imported);
      }),
      { numRuns: 100 },
    );
  });

  const COLLECTIONS = [
    'services',
    'upstreams',
    'targets',
    'routes',
    'consumers',
    'vaults',
    'plugins',
    'snis',
    'custom',
  ];

  /** Lists, and the headers of a check, are one field of the report. */
  const leavesIn = (value: object): number =>
    Object.entries(value).reduce((sum: number, [name, inner]: [string, unknown]) => {
      if (COLLECTIONS.includes(name)) return (inner as object[]).reduce((all, one) => all + leavesIn(one), sum);
      const isGroup = typeof inner === 'object' && inner !== null && !Array.isArray(inner) && name !== 'headers';
      return sum + (isGroup && Object.keys(inner).length > 0 ? leavesIn(inner) : 1);
    }, 0);
  const fieldsIn = ({ entities }: KongReport): number => entities.reduce((sum, { fields }) => sum + fields.length, 0);
});

describe('a large configuration', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  /** How often the importer asks a value of the file where it stands, or looks through its entities. */
  const lookups = (services: number): number => {
    const spies = [
      jest.spyOn(KongNode.prototype, 'place', 'get'),
      jest.spyOn(KongNode.prototype, 'namePlace', 'get'),
      jest.spyOn(KongEntities.prototype, 'ofKind'),
    ];
    importText(configurationOf(services));
    const calls = spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
    jest.restoreAllMocks();
    return calls;
  };

  it('takes work in proportion to its size', () => {
    const [small, large] = [lookups(20), lookups(200)];
    expect(large).toBeLessThanOrEqual(10 * small);
  });
});

function configurationOf(services: number): string {
  const of = (make: (index: number) => string): string =>
    Array.from({ length: services }, (_, index) => make(index)).join('');
  return `_format_version: "3.0"
services:
${of((index) => `- { name: s${index}, host: u${index} }\n`)}upstreams:
${of((index) => `- { name: u${index}, targets: [{ target: "10.0.0.1:${index + 1}" }] }\n- { name: unused${index} }\n`)}`;
}
