import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpModule } from '@nestjs/axios';
import { type INestApplication, Module } from '@nestjs/common';
import {
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Apps } from '../support/nest-app.js';

const CHUNK = Buffer.alloc(65_536, 'x');
const HUGE_CHUNKS = 4_800;

describe.each(['undici', 'axios'] as const)('a response of 300 MB, over %s', (type) => {
  const apps = new Apps();
  let server: Server;
  let sentChunks: number;
  let app: INestApplication;

  beforeEach(async () => {
    sentChunks = 0;
    server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
      if (pathname === '/small') return void response.end('{"small":true}');
      response.writeHead(Number(searchParams.get('status') ?? 200), { 'content-type': 'application/json' });
      const chunks = Number(searchParams.get('chunks') ?? HUGE_CHUNKS);
      sentChunks = 0;
      const write = (): void => {
        while (sentChunks < chunks && !response.destroyed) {
          sentChunks++;
          if (!response.write(CHUNK)) return void response.once('drain', write);
        }
        response.end();
      };
      write();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    await apps.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const start = async (transport?: ServiceDiscoveryOptions['transport']): Promise<ServiceCommunicator> => {
    const options = { healthCheck: false, logging: false, transport: transport ?? type } as const;
    @Module({ imports: [HttpModule, ServiceDiscoveryModule.forRoot(options)] })
    class App {}
    app = await apps.listen(App);
    const { port } = server.address() as AddressInfo;
    await app.get(ServiceRegistry).register({ serviceName: 'files', host: '127.0.0.1', port }, { heartbeat: 'manual' });
    return app.get(ServiceCommunicator);
  };

  it('is refused with RESPONSE_TOO_LARGE, as JSON and as text, while other calls go on', async () => {
    const communicator = await start();
    const attempt = communicator.callServiceJson('files', { path: '/huge' });
    const honest = communicator.callServiceJson('files', { path: '/small' });
    await expect(attempt).rejects.toMatchObject({
      code: 'RESPONSE_TOO_LARGE',
      attempts: 1,
      message: expect.stringMatching(/GET \/huge of files.*more than 16777216 bytes\. .*transport\.maxResponseSize/),
    });
    expect(sentChunks).toBeLessThan(HUGE_CHUNKS / 2);
    expect(await honest).toEqual({ small: true });
    const { body } = await communicator.callService('files', { path: '/huge' });
    await expect(body.text()).rejects.toMatchObject({ code: 'RESPONSE_TOO_LARGE' });
    expect(await communicator.callServiceJson('files', { path: '/small' })).toEqual({ small: true });
    expect(communicator.circuitBreakers('files')).toEqual(
      expect.arrayContaining([expect.objectContaining({ state: 'closed' })]),
    );
  });

  it('as an error keeps 64 KiB of its body', async () => {
    const communicator = await start();
    const call = communicator.callServiceJson('files', { path: '/huge?status=404' });
    await expect(call).rejects.toMatchObject({ code: 'RESPONSE_STATUS', status: 404, body: 'x'.repeat(65_536) });
    expect(sentChunks).toBeLessThan(HUGE_CHUNKS / 2);
  });

  it('can be read as a stream', async () => {
    const communicator = await start();
    const { body } = await communicator.callService('files', { path: '/huge?chunks=400' });
    let size = 0;
    for await (const chunk of body.stream as AsyncIterable<Uint8Array>) size += chunk.length;
    expect(size).toBe(400 * CHUNK.length);
  });

  it('is refused beyond `transport.maxResponseSize`, and read up to it', async () => {
    const communicator = await start({ type, maxResponseSize: 1_048_576 });
    const read = async (chunks: number): Promise<number> =>
      (await (await communicator.callService('files', { path: `/huge?chunks=${chunks}` })).body.bytes()).length;
    expect(await read(16)).toBe(1_048_576);
    await expect(read(17)).rejects.toMatchObject({ code: 'RESPONSE_TOO_LARGE' });
  });
});
