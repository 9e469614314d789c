import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpModule, HttpService } from '@nestjs/axios';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ServiceCommunicator, ServiceDiscoveryModule, type ServiceDiscoveryOptions } from 'nest-service-discovery';
import { DiscoveryHttpModule } from 'nest-service-discovery/axios';

/** A second request that a server sees where a body is cut off at its fourth byte, or read as empty. */
const BODY = '0\r\n\r\nDELETE /accounts HTTP/1.1\r\nhost: accounts\r\n\r\n';

/** As a client of the app sends them, and the app hands them on. */
const SMUGGLING: readonly (readonly [name: string, headers: Record<string, string>])[] = [
  ['a length that is too short', { 'content-length': '4' }],
  ['a length that is too long', { 'Content-Length': '400' }],
  ['chunks that are none', { 'Transfer-Encoding': 'chunked' }],
  ['both', { 'content-length': '4', 'transfer-encoding': 'chunked' }],
  [
    'headers of the connection',
    { connection: 'close, X-Hop', 'x-hop': '1', 'keep-alive': 'timeout=1', te: 'trailers' },
  ],
  ['an upgrade', { connection: 'Upgrade', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA' }],
  ['headers of a proxy', { 'proxy-authorization': 'Basic eA==', 'proxy-connection': 'keep-alive', trailer: 'x-sum' }],
];
const OF_THE_CLIENT = ['x-hop', 'keep-alive', 'te', 'upgrade', 'http2-settings', 'trailer'];

interface Received {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

type Send = (app: INestApplicationContext, headers: Record<string, string>) => Promise<{ readonly status: number }>;

const byCommunicator: Send = async (app, headers) => {
  const request = { method: 'POST', path: '/search', headers, body: BODY } as const;
  const response = await app.get(ServiceCommunicator).callService('accounts', request);
  await response.body.text();
  return response;
};
const byHttpService: Send = (app, headers) =>
  app.get(HttpService).axiosRef.post('http://accounts/search', BODY, { headers });

describe.each<[string, Send, ServiceDiscoveryOptions['transport'], unknown]>([
  ['undici', byCommunicator, 'undici', HttpModule],
  ['axios', byCommunicator, 'axios', HttpModule],
  ['DiscoveryHttpModule', byHttpService, 'undici', DiscoveryHttpModule],
])('the headers of a client that are handed on over %s', (_name, send, transport, http) => {
  let server: Server;
  let received: Received[];
  let app: INestApplicationContext;

  beforeEach(async () => {
    received = [];
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        received.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
        response.end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const targets = [`http://127.0.0.1:${(server.address() as AddressInfo).port}`];
    class Edge {}
    Module({
      imports: [
        http as typeof HttpModule,
        ServiceDiscoveryModule.forRoot({
          transport,
          logging: false,
          healthCheck: false,
          services: [{ name: 'accounts', targets }],
        }),
      ],
    })(Edge);
    app = await NestFactory.createApplicationContext(Edge, { logger: false });
  });

  afterEach(async () => {
    await app.close();
    server.closeAllConnections();
    server.close();
  });

  it.each(SMUGGLING)('frame no request: %s', async (_case, headers) => {
    const answers = [await send(app, { ...headers, 'x-request-id': 'a' }), await send(app, { 'x-request-id': 'b' })];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(received.map(({ line, body }) => ({ line, body }))).toEqual([
      { line: 'POST /search', body: BODY },
      { line: 'POST /search', body: BODY },
    ]);
    expect(received.map((one) => one.headers['x-request-id'])).toEqual(['a', 'b']);
    for (const { headers: sent } of received) {
      expect(Object.keys(sent).filter((name) => OF_THE_CLIENT.includes(name) || name.startsWith('proxy-'))).toEqual([]);
    }
  });
});
