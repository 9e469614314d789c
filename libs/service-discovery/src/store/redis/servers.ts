import { type TlsSettings } from '../../common/index.js';
import { type RedisAddress } from './redis-url.js';

/** An instance of `Redis` or `Cluster` of ioredis, described so that one of another version of ioredis fits, too. */
export interface RedisClient {
  readonly status: string;
  readonly options: object;
  pipeline(...args: never[]): unknown;
  duplicate(...args: never[]): unknown;
  disconnect(reconnect?: boolean): void;
}

/** Which servers, and who calls them. */
export interface RedisServers {
  readonly address: RedisAddress;
  readonly tls: TlsSettings;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
  /** For messages. */
  readonly shownUrl: string;
}
