import { type ConnectionOptions } from 'node:tls';
import { type RedisAddress } from './redis-url.js';

/** An instance of `Redis` or `Cluster` of ioredis, described so that one of another version of ioredis fits, too. */
export interface RedisClient {
  readonly status: string;
  readonly options: object;
  pipeline(...args: never[]): unknown;
  duplicate(...args: never[]): unknown;
  disconnect(reconnect?: boolean): void;
}

/** How a TLS connection is made, as `tls.connect` of Node takes it. */
export type RedisTlsOptions = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;

/** Which servers, and who calls them. */
export interface RedisServers {
  readonly address: RedisAddress;
  readonly tls: RedisTlsOptions | undefined;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
  /** For messages. */
  readonly shownUrl: string;
}
