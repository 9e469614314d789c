/** What instances may speak. Calls are HTTP; instances of the other protocols are discovered, balanced and checked. */
export const PROTOCOLS = [
  'http',
  'https',
  'tcp',
  'grpc',
  'grpcs',
  'ws',
  'wss',
  'redis',
  'postgresql',
  'mysql',
  'mongodb',
  'amqp',
  'kafka',
] as const;

export type Protocol = (typeof PROTOCOLS)[number];

/** What a call can be sent over. */
export type HttpProtocol = 'http' | 'https';

export function isHttp(protocol: Protocol): protocol is HttpProtocol {
  return protocol === 'http' || protocol === 'https';
}

/** Whether connections are made over TLS. */
export function isSecure(protocol: Protocol): boolean {
  return protocol === 'https' || protocol === 'grpcs' || protocol === 'wss';
}
