import { type TlsSettings } from '../../common/index.js';
import { type RedisAddress } from './redis-url.js';

/** An ioredis instance of `Redis` or `Cluster`, described so that one of another ioredis version fits too. */
export interface RedisClient {
  readonly status: string;
  readonly options: object;
  pipeline(...args: never[]): unknown;
  duplicate(...args: never[]): unknown;
  disconnect(reconnect?: boolean): void;
}

/** The servers and their credentials. */
export interface RedisServers {
  readonly address: RedisAddress;
  readonly tls: TlsSettings;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
  /** For error messages. */
  readonly shownUrl: string;
}
