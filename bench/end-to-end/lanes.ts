import { haproxy } from '../calls/servers/haproxy.js';
import { nginx } from '../calls/servers/nginx.js';
import { type ProxyProgram } from '../calls/servers/proxy.js';

export const PLATFORMS = ['Express', 'Fastify'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** How the calling app calls. */
export type ClientName =
  'http-service' | 'undici' | 'axios-opossum' | 'ours' | 'ours-http-service' | 'moleculer' | 'microservices';

/** One way from the calling app to the called one. */
export interface Lane {
  readonly name: string;
  readonly client: ClientName;
  readonly proxy?: ProxyProgram;
}

/** The first is what the others are compared with. */
export const LANES: readonly Lane[] = [
  { name: 'HttpService', client: 'http-service' },
  { name: 'HttpService, nginx', client: 'http-service', proxy: nginx },
  { name: 'HttpService, haproxy', client: 'http-service', proxy: haproxy },
  { name: 'HttpService, axios-retry, opossum', client: 'axios-opossum' },
  { name: 'undici Pool, by hand', client: 'undici' },
  { name: 'ours', client: 'ours' },
  { name: 'ours, HttpService', client: 'ours-http-service' },
  { name: 'moleculer', client: 'moleculer' },
  { name: '@nestjs/microservices, TCP', client: 'microservices' },
];

/** What the two apps of a lane are told, as JSON in their first argument. */
export interface Setup {
  readonly platform: Platform;
  readonly client: ClientName;
  readonly callerPort: number;
  readonly calledPort: number;
  /** Where the calling app sends its calls: to the called app, or to a proxy in front of it. */
  readonly targetPort: number;
}

/** What the called app answers. */
export interface User {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly roles: readonly string[];
  readonly address: { readonly street: string; readonly city: string; readonly zip: string };
}

/** About 200 bytes of JSON. */
export function userOf(id: string): User {
  return {
    id,
    name: `User number ${id}`,
    email: `user-${id}@example.com`,
    roles: ['customer', 'reviewer'],
    address: { street: '12 Long Street', city: 'Springfield', zip: '12345' },
  };
}
