import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { ModulesContainer } from '@nestjs/core';
import { type ListeningMicroservice, Microservices } from './microservices.js';

type Callback = (...results: unknown[]) => unknown;

/** As `@nestjs/microservices` makes them. */
function serverOf(fields: object, error?: Error): { listen(callback: Callback): unknown } {
  return { ...fields, listen: (callback: Callback) => callback(error) };
}

/** What a server is followed as once it listens. */
function listeningOf(server: { listen(callback: Callback): unknown }): readonly ListeningMicroservice[] {
  const modules = new ModulesContainer();
  const microservices = new Microservices(modules);
  modules.addRpcTarget(server);
  const calls: unknown[][] = [];
  server.listen((...results) => calls.push(results));
  expect(calls).toHaveLength(1);
  const heard: ListeningMicroservice[] = [];
  microservices.listening$.subscribe((one) => heard.push(one));
  microservices.close();
  return heard;
}

describe('Microservices', () => {
  it('follow a TCP server, and tell of it those who come later', () => {
    const tcp = createServer();
    expect(listeningOf(serverOf({ transportId: 0, unwrap: () => tcp }))).toEqual([{ protocols: ['tcp'], server: tcp }]);
  });

  it.each([
    ['0.0.0.0:5000', '0.0.0.0', 5000],
    ['[::1]:5000', '::1', 5000],
    ['localhost:5001', 'localhost', 5001],
  ])('read the address of a gRPC server at %s', (url, address, port) => {
    const [only] = listeningOf(serverOf({ transportId: 4, url }));
    expect(only!.protocols).toEqual(['grpc', 'grpcs']);
    expect(only!.server!.address()).toMatchObject({ address, port });
  });

  it.each([
    ['gRPC at a port that the system chooses', { transportId: 4, url: '0.0.0.0:0' }, ['grpc', 'grpcs']],
    ['gRPC at a Unix socket', { transportId: 4, url: 'unix:/run/users.sock' }, ['grpc', 'grpcs']],
    ['Redis', { transportId: 1 }, []],
    ["a transport of the app's own", { transportId: Symbol('own'), url: '10.0.0.1:80' }, []],
  ])('know no port of %s', (_name, fields, protocols) => {
    expect(listeningOf(serverOf(fields))).toEqual([{ protocols, server: undefined }]);
  });

  it('tell nothing of a server that could not listen', () => {
    expect(listeningOf(serverOf({ transportId: 0 }, new Error('EADDRINUSE')))).toEqual([]);
  });

  it('know what is spoken before anything listens', () => {
    const modules = new ModulesContainer();
    const microservices = new Microservices(modules);
    expect(microservices.isEmpty).toBe(true);
    modules.addRpcTarget(serverOf({ transportId: 4 }));
    expect([microservices.isEmpty, microservices.speaks('grpcs'), microservices.speaks('tcp')]).toEqual([
      false,
      true,
      false,
    ]);
    microservices.close();
  });
});
