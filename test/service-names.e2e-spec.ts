import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');

/** What an app of one file writes, in place of which the compiler reads this text. */
const APP = `
import {
  ServiceCall,
  ServiceClient,
  type ServiceCallTo,
  type ServiceCommunicator,
  type ServiceDiscovery,
  type ServiceMethod,
  type ServiceName,
  type ServicePath,
} from 'nest-service-discovery';

declare module 'nest-service-discovery' {
  interface ServiceNames {
    'user-service': '/users' | \`/users/\${string}\`;
    'order-service': \`/orders/\${number}/items\`;
    'stock-service': true;
  }
}

declare const communicator: ServiceCommunicator;
declare const discovery: ServiceDiscovery;
const request = { path: '/users' } as const;
const id: string = crypto.randomUUID();
const count: number = 7;

class User {
  name = '';
}
export const user: Promise<User> = communicator.callServiceJson('user-service', request, User);
export const typed: Promise<User> = communicator.callServiceJson<User>('order-service', { path: \`/orders/\${7}/items\` });
export const late = (name: string) => communicator.callService(name as ServiceName, request);
export const lateJson = (name: string) => communicator.callServiceJson(name as ServiceName, request);
export const lateWithPath = (name: string, path: string) =>
  communicator.callServiceJson(name as ServiceName, { path: path as ServicePath });
export const passedOn = (...call: ServiceCallTo) => communicator.callServiceJson<User>(...call);
export const right = [
  communicator.callService('user-service', { path: \`/users/\${encodeURIComponent(id)}\` }),
  communicator.callServiceJson<User>('user-service', { path: \`/users/\${id}\` }),
  communicator.callServiceJson('user-service', { path: \`/users/\${id}\` }),
  communicator.callServiceJson('order-service', { path: \`/orders/\${7}/items\` }),
  communicator.callServiceJson<User>('stock-service', { path: id }),
  communicator.parallelServiceCalls([
    { serviceName: 'user-service', path: \`/users/\${id}\` },
    { serviceName: 'stock-service', path: id },
  ]),
];
@ServiceClient('user-service')
export class Right {
  @ServiceCall('GET /users')
  readonly list!: ServiceMethod<User[]>;
  @ServiceCall('GET /users/:id/of/:tenant')
  readonly get!: ServiceMethod<User, { params: { id: string; tenant: number } }>;
}
declare const users: Right;
users.list({ query: { after: '1' } });
users.get({ params: { id, tenant: 1 }, timeout: '2s' });

// wrong: communicator.callServiceJson('usr-service', request);
// wrong: communicator.callServiceJson<User>('usr-service', request);
// wrong: communicator.callService('usr-service', request);
// wrong: communicator.parallelServiceCalls([{ serviceName: 'usr-service', path: '/' }]);
// wrong: communicator.callServiceWithFallback({ primaryService: 'usr-service', path: '/' });
// wrong: communicator.callServiceWithFallback({ primaryService: 'user-service', fallbackService: 'usr-service', path: '/' });
// wrong: discovery.discoverService('usr-service');
// wrong: discovery.discoverInstances('usr-service');
// wrong: discovery.waitForServices(['usr-service']);
// wrong: ServiceClient('usr-service');

// wrong: communicator.callService('user-service', { path: '/user' });
// wrong: communicator.callService('order-service', { path: \`/orders/\${id}/items\` });
// wrong: communicator.callServiceJson('order-service', { path: \`/orders/\${id}/items\` });
// wrong: communicator.callServiceJson<User>('order-service', { path: \`/orders/\${id}/items\` });
// wrong: communicator.callServiceJson('order-service', { path: \`/orders/\${id}/items\` }, User);
// wrong: communicator.callServiceJson<User>('user-service', { path: '/orders/7/items' });
// wrong: communicator.parallelServiceCalls([{ serviceName: 'user-service', path: '/orders/7/items' }]);

export class Wrong {
  // wrong: @ServiceCall('GET /users/:id')
  readonly none!: ServiceMethod<User>;
  // wrong: @ServiceCall('GET /users/:id')
  readonly other!: ServiceMethod<User, { params: { userId: string } }>;
  // wrong: @ServiceCall('GET /users/:id')
  readonly more!: ServiceMethod<User, { params: { id: string; tenant: string } }>;
  // wrong: @ServiceCall('GET /users')
  readonly needless!: ServiceMethod<User, { params: { id: string } }>;
}
// wrong: users.get({ params: { id } });
// wrong: users.get({ params: { id, tenant: 1, userId: id } });
`;

/** The lines that do not compile. */
function wrongLines(source: string): string[] {
  const file = join(root, 'test/names-of-an-app.ts');
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.getSourceFile = (path, ...others) =>
    path === file
      ? ts.createSourceFile(path, source, ts.ScriptTarget.ESNext, true)
      : getSourceFile.call(host, path, ...others);
  const program = ts.createProgram([file], { ...options, noEmit: true }, host);
  const app = program.getSourceFile(file)!;
  const lines = source.split('\n');
  return program
    .getSemanticDiagnostics(app)
    .map(({ start = 0 }) => lines[app.getLineAndCharacterOfPosition(start).line]!.trim());
}

describe('ServiceNames', () => {
  it('has the compiler refuse names, paths and path parameters that an app does not list, and no others', () => {
    const wrong = [...APP.matchAll(/^ *\/\/ wrong: (.*)$/gm)].map(([, line]) => line);
    expect(wrong).toHaveLength(23);
    expect(wrongLines(APP.replaceAll('// wrong: ', ''))).toEqual(wrong);
  });
});
