import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');

/** What an app of one file writes, in place of which the compiler reads this text. */
const APP = `
import { ServiceClient, type ServiceCommunicator, type ServiceDiscovery, type ServiceName } from 'nest-service-discovery';

declare module 'nest-service-discovery' {
  interface ServiceNames {
    'user-service': true;
    'order-service': true;
  }
}

declare const communicator: ServiceCommunicator;
declare const discovery: ServiceDiscovery;
const request = { path: '/' };

class User {
  name = '';
}
export const user: Promise<User> = communicator.callServiceJson('user-service', request, User);
export const typed: Promise<User> = communicator.callServiceJson<User>('order-service', request);
export const late = (name: string) => communicator.callService(name as ServiceName, request);
@ServiceClient('user-service')
export class Right {}

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
    .map(({ start = 0 }) => lines[app.getLineAndCharacterOfPosition(start).line]!);
}

describe('ServiceNames', () => {
  it('has the compiler refuse names that an app does not list, and no others', () => {
    const wrong = [...APP.matchAll(/^\/\/ wrong: (.*)$/gm)].map(([, line]) => line);
    expect(wrong).toHaveLength(10);
    expect(wrongLines(APP.replaceAll('// wrong: ', ''))).toEqual(wrong);
  });
});
