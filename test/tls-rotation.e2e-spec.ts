import { once } from 'node:events';
import { copyFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  EventBus,
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceRegistry,
  UndiciTransport,
} from 'nest-service-discovery/core';
import { ManualClock } from 'nest-service-discovery/testing';
import { type Identity, TestAuthority } from './support/test-authority.js';

const CALLS_BEFORE = 100;
const CALLS_AFTER = 300;
/** 200 calls a second. */
const GAP_MS = 5;
/** On a slow machine, calls are not made faster than they are answered. */
const MOST_IN_FLIGHT = 20;
/** No limit of time may end a call, however slow the machine is. */
const PATIENT = '10m';

let authority: TestAuthority;
let service: Identity;
let identities: Identity[];
const live = (name: string): string => join(authority.directory, name);

beforeAll(async () => {
  authority = await TestAuthority.create();
  service = await authority.issue('payment-service');
  identities = [await authority.issue('first'), await authority.issue('second')];
});
afterAll(() => authority.remove());

async function install({ certFile, keyFile }: Identity): Promise<void> {
  await copyFile(keyFile, live('live.key'));
  await copyFile(certFile, live('live.pem'));
}

/** A server that asks for a certificate of the authority, and knows who has connections. */
class Callee {
  /** Who made each request. */
  readonly callers: string[] = [];
  /** Answers the request that is held. */
  release: () => void = () => undefined;
  private readonly connections = new Map<TLSSocket, string>();
  private readonly server: Server;

  constructor() {
    const { cert, key } = service;
    const options = { cert, key, ca: authority.ca, requestCert: true, rejectUnauthorized: true };
    this.server = createServer(options, ({ socket, url }, response) => {
      this.callers.push(this.connections.get(socket as TLSSocket)!);
      if (url === '/held') this.release = () => void response.end('fine');
      else response.end('fine');
    });
    // Otherwise idle connections would be closed depending on how long a test takes.
    this.server.keepAliveTimeout = 0;
    this.server.on('secureConnection', (socket) => {
      this.connections.set(socket, String(socket.getPeerCertificate().subject.CN));
      socket.on('close', () => this.connections.delete(socket));
    });
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  /** Resolves when no connection of a caller is left. */
  async left(caller: string): Promise<void> {
    for (const [socket, name] of [...this.connections]) if (name === caller) await once(socket, 'close');
  }

  count(caller: string): number {
    return this.callers.filter((name) => name === caller).length;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

it('a certificate is rotated under 200 calls a second, and no call fails', async () => {
  await install(identities[0]!);
  const callee = new Callee();
  const port = await callee.listen();
  const [clock, events] = [new ManualClock(), new EventBus()];
  const tls = { ca: authority.caFile, cert: live('live.pem'), key: live('live.key') };
  const transport = new UndiciTransport({ tls, connectTimeout: PATIENT }, { clock, events });
  const store = new MemoryRegistryStore();
  const registry = new ServiceRegistry(store);
  await registry.start();
  await registry.register({ serviceName: 'payments', host: '127.0.0.1', port, protocol: 'https' });
  const communicator = new ServiceCommunicator(
    { registry, transport, events },
    { retry: false, timeout: PATIENT, attemptTimeout: PATIENT },
  );

  const calls: Promise<string>[] = [];
  const call = async (path = '/'): Promise<string> => {
    const { body } = await communicator.callService('payments', { path });
    return body.text();
  };
  const held = call('/held');
  const rotated = new Promise((resolve) => events.on('tls.rotated', resolve));
  let isRotated = false;
  void rotated.then(() => (isRotated = true));
  for (let after = 0; after < CALLS_AFTER;) {
    if (calls.length === CALLS_BEFORE) await install(identities[1]!);
    calls.push(call());
    await Promise.allSettled([calls.at(-MOST_IN_FLIGHT), pause(GAP_MS)]);
    // The transport looks at its files as time passes.
    if (calls.length > CALLS_BEFORE && !isRotated) clock.advance(1_000);
    if (isRotated) after++;
  }
  const answers = await Promise.allSettled(calls);
  expect(answers.filter(({ status }) => status === 'rejected')).toEqual([]);
  // It was under way at the rotation, and ends over the certificate that it began with.
  callee.release();
  expect(await held).toBe('fine');
  await callee.left('first');
  expect(callee.count('first')).toBeGreaterThanOrEqual(CALLS_BEFORE);
  expect(callee.count('second')).toBeGreaterThan(0);
  expect(await rotated).toMatchObject({ use: 'calls', certificate: live('live.pem') });

  await communicator.close();
  await transport.close();
  await registry.close();
  await store.close();
  callee.close();
});
