import { type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Channel, pendingInput } from '../../common/index.js';
import { type ServiceInstance, type ServiceRegistration } from '../../model/index.js';
import { TestServer } from '../../testing/test-server.js';
import { type UndiciTransportOptions } from './options.js';
import { UndiciTransport } from './undici-transport.js';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server that reports each connection, and answers each request on it. */
class Peer {
  private constructor(
    readonly server: TestServer,
    private readonly opened: Channel<Socket>,
    readonly instance: ServiceInstance,
  ) {}

  static async start(registration: Partial<ServiceRegistration> = {}): Promise<Peer> {
    const opened = new Channel<Socket>();
    const server = await TestServer.tcp((socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine'));
      opened.push(socket);
    });
    closers.push(() => server.close());
    return new Peer(server, opened, server.instance({ instanceId: String(server.port), ...registration }));
  }

  get sockets(): number {
    return this.server.sockets.length;
  }

  async connection(): Promise<Socket> {
    return (await this.opened.next()).value as Socket;
  }
}

/** Makes a request, and waits until its connection can be reused. */
async function request(transport: UndiciTransport, to: ServiceInstance): Promise<void> {
  const { body } = await transport.send(to, { method: 'GET', path: '/', headers: {} });
  expect(await body.text()).toBe('fine');
  await pendingInput();
}

describe('connections opened ahead', () => {
  let transport: UndiciTransport;
  let busy: Peer;

  async function begin(options: UndiciTransportOptions = {}): Promise<void> {
    transport = new UndiciTransport(options);
    closers.push(() => transport.close());
    await call(busy);
  }

  const call = (peer: Peer): Promise<void> => request(transport, peer.instance);

  /** Reports these instances as joined, in addition to the one that is being called. */
  function join(...peers: Peer[]): void {
    const joined = peers.map(({ instance }) => instance);
    transport.retain([busy.instance, ...joined], { joined, left: [] });
  }

  beforeEach(async () => {
    busy = await Peer.start();
  });

  it('go to instances that join a service in use, and serve their first request', async () => {
    await begin();
    const peer = await Peer.start();
    join(peer);
    await peer.connection();
    await call(peer);
    await call(peer);
    expect(peer.sockets).toBe(1);
  });

  it('are used even while they are being opened', async () => {
    await begin();
    const peer = await Peer.start();
    join(peer);
    await call(peer);
    expect(peer.sockets).toBe(1);
  });

  it('go to new instances if at least half of the others are being called', async () => {
    await begin();
    const [idle, peer] = [await Peer.start(), await Peer.start()];
    transport.retain([busy.instance, idle.instance, peer.instance], { joined: [peer.instance], left: [] });
    await peer.connection();
  });

  it('are as many as configured, each for one request at a time', async () => {
    await begin({ warmConnections: 3 });
    const peer = await Peer.start();
    join(peer);
    for (let count = 0; count < 3; count++) await peer.connection();
    await Promise.all([call(peer), call(peer), call(peer), call(peer)]);
    expect(peer.sockets).toBe(4);
  });

  it('are not opened if set to 0', async () => {
    await begin({ warmConnections: 0 });
    const peer = await Peer.start();
    join(peer);
    await pendingInput();
    await pendingInput();
    expect(peer.sockets).toBe(0);
  });

  it('are not opened to instances that may not be called, or whose service is hardly called', async () => {
    await begin();
    const idle = await Promise.all([Peer.start(), Peer.start()]);
    const rarely = [
      await Peer.start({ serviceName: 'orders' }),
      {
        ...(await Peer.start()),
        instance: { ...(await Peer.start()).instance, status: 'draining' },
      } as unknown as Peer,
      await Peer.start({ weight: 0 }),
    ];
    const peer = await Peer.start();
    join(...rarely, peer);
    await peer.connection();
    await pendingInput();
    expect(rarely.map(({ server }) => server.sockets.length)).toEqual([0, 0, 0]);

    // One of three is called: too few to expect a call to the next one soon.
    const [last, other] = [await Peer.start(), await Peer.start({ serviceName: 'orders' })];
    const known = [busy, ...idle].map(({ instance }) => instance);
    transport.retain([...known, last.instance], { joined: [last.instance], left: [] });
    const orders = { ...busy.instance, serviceName: 'orders' };
    transport.retain([orders, other.instance], { joined: [other.instance], left: [] });
    await other.connection();
    await pendingInput();
    expect(last.sockets).toBe(0);
  });

  it('cost one pass over all instances, however many services the new ones join', async () => {
    await begin();
    const joined = ['orders', 'carts', 'stocks'].map((serviceName) => ({ ...busy.instance, serviceName }));
    const all = [busy.instance, ...joined];
    let passes = 0;
    const counted = Object.assign([...all], {
      [Symbol.iterator]: () => {
        passes++;
        return all.values();
      },
    });
    transport.retain(counted, { joined, left: [] });
    expect(passes).toBe(1);
  });

  it('are at most 64', async () => {
    await begin({ warmConnections: 16 });
    const peers = await Promise.all(Array.from({ length: 5 }, () => Peer.start()));
    join(...peers.slice(0, 4));
    for (const peer of peers.slice(0, 4)) for (let count = 0; count < 16; count++) await peer.connection();
    join(peers[4]!);
    await pendingInput();
    await pendingInput();
    expect(peers.map(({ sockets }) => sockets)).toEqual([16, 16, 16, 16, 0]);
    await call(peers[0]!);
    join(peers[4]!);
    await peers[4]!.connection();
  });

  it('are closed if they are not used in time', async () => {
    await begin({ keepAliveTimeout: '50ms' });
    const peer = await Peer.start();
    join(peer);
    await peer.connection();
    await peer.server.socketClosed(0);
    await call(peer);
    expect(peer.sockets).toBe(2);
  });

  it('that the server closes cost no request', async () => {
    await begin();
    const peer = await Peer.start();
    join(peer);
    (await peer.connection()).end();
    await peer.server.socketClosed(0);
    await call(peer);
    expect(peer.sockets).toBe(2);
  });

  it('that fail when they are about to be used cost no request', async () => {
    await begin();
    const peer = await Peer.start();
    join(peer);
    const socket = await peer.connection();
    await pendingInput();
    socket.resetAndDestroy();
    await call(peer);
    expect(peer.sockets).toBe(2);
  });

  it('on which the server speaks first are not used', async () => {
    await begin();
    const peer = await Peer.start();
    join(peer);
    (await peer.connection()).write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n');
    await peer.server.socketClosed(0);
    await call(peer);
  });

  it('that fail to open affect only requests that wait for them', async () => {
    await begin();
    const peer = await Peer.start();
    await peer.server.close();
    join(peer);
    await expect(call(peer)).rejects.toMatchObject({ code: 'TRANSPORT_FAILURE', neverSent: true });
    join(peer);
    await expect(call(busy)).resolves.toBeUndefined();
  });

  it('are closed when the instance leaves', async () => {
    await begin();
    const peer = await Peer.start();
    join(peer);
    await peer.connection();
    transport.retain([busy.instance], { joined: [], left: [peer.instance] });
    await peer.server.socketClosed(0);
  });

  it('are closed with the transport, and none are opened afterwards', async () => {
    await begin();
    const [peer, late] = [await Peer.start(), await Peer.start()];
    join(peer);
    await peer.connection();
    const closing = transport.close();
    join(late);
    await closing;
    await peer.server.socketClosed(0);
    await pendingInput();
    expect(late.sockets).toBe(0);
  });

  it('do not keep the process alive before they are used', async () => {
    const held = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    await begin();
    const peer = await Peer.start();
    const before = held();
    join(peer);
    (await peer.connection()).unref();
    await pendingInput();
    expect(held()).toBe(before);
    peer.server.sockets[0]!.removeAllListeners('data');
    const waiting = call(peer).catch(() => undefined);
    await new Promise((resolve) => peer.server.sockets[0]!.once('data', resolve));
    expect(held()).toBe(before + 1);
    peer.server.sockets[0]!.destroy();
    await waiting;
  });
});

describe('connections to instances', () => {
  it('are opened again to an instance that returns', async () => {
    const peer = await Peer.start();
    const transport = new UndiciTransport();
    closers.push(() => transport.close());
    await request(transport, peer.instance);
    transport.retain([]);
    await peer.server.socketClosed(0);
    await request(transport, peer.instance);
    expect(peer.sockets).toBe(2);
  });

  it('are kept if another instance takes over the same address', async () => {
    const peer = await Peer.start();
    const transport = new UndiciTransport();
    closers.push(() => transport.close());
    const successor = { ...peer.instance, instanceId: 'successor' };
    await request(transport, peer.instance);
    transport.retain([successor], { joined: [successor], left: [peer.instance] });
    await request(transport, successor);
    expect(peer.sockets).toBe(1);
  });

  it('are unaffected while no instance leaves', async () => {
    const [peer, other] = [await Peer.start(), await Peer.start()];
    const transport = new UndiciTransport();
    closers.push(() => transport.close());
    await request(transport, peer.instance);
    transport.retain([other.instance], { joined: [other.instance], left: [] });
    await request(transport, peer.instance);
    expect(peer.sockets).toBe(1);
  });
});
