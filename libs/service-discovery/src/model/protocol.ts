/** Protocols of instances. Calls use HTTP; instances with other protocols are discovered, balanced and checked. */
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

/** What an instance speaks; calls go to `http` and `https`, the others are discovered only. */
export type Protocol = (typeof PROTOCOLS)[number];

/** Protocols that calls can use. */
export type HttpProtocol = 'http' | 'https';

export function isHttp(protocol: Protocol): protocol is HttpProtocol {
  return protocol === 'http' || protocol === 'https';
}

/** Whether the protocol uses TLS. */
export function isSecure(protocol: Protocol): boolean {
  return protocol === 'https' || protocol === 'grpcs' || protocol === 'wss';
}
