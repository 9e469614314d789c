import { type Cluster, type Redis, type RedisOptions } from 'ioredis';
import { reconnectDelay, type Random } from '../../common/index.js';
import { type ReconnectSpread } from './reconnect-spread.js';
import { type RedisServers } from './servers.js';

/** A connection to one server, or to all of a Cluster. */
export type Client = Redis | Cluster;

const RECONNECT = { firstMs: 50, longestMs: 2_000 };
/** While another server takes over, it is Sentinels and other nodes that are asked: often, so that nobody waits for long. */
const RECONNECT_AT_FAILOVER = { firstMs: 50, longestMs: 500 };
/** How long a connection that is given up may take to end by itself. */
const DISCONNECT_MS = 50;
/** Of several Sentinels, or nodes that are asked for the slots, one may hang: this many fit into the time for a command. */
const TRIES = 3;

/** What keeps a connection of ours from doing what nobody waits for any more, and from holding on to what is gone. */
function boundedOptions(timeoutMs: number, isBehindSentinel: boolean): RedisOptions {
  return {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    disconnectTimeout: DISCONNECT_MS,
    // A command that could not be sent in its time must not be sent later: whoever gave it has gone on.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // What a connection costs Redis, everybody's comes at once after an outage. HELLO tells that somebody answers; that
    // Redis still loads its data, the first command will tell. A Sentinel's word has to be checked, however.
    disableClientInfo: true,
    enableReadyCheck: isBehindSentinel,
  };
}

/** Makes the connection for commands, which comes back by itself. */
export async function makeClient(
  servers: RedisServers,
  timeoutMs: number,
  random: Random,
  spread: ReconnectSpread,
): Promise<Client> {
  // Not at the top of a file: apps whose registry is elsewhere do not load it.
  const ioredis = await import('ioredis');
  const { address, sentinelUsername, sentinelPassword } = servers;
  const { topology, nodes, username, password, database, masterName } = address;
  const tls = address.tls ? servers.tls : undefined;
  const delays = topology === 'single' ? RECONNECT : RECONNECT_AT_FAILOVER;
  const retryStrategy = (attempt: number): number => {
    spread.lost();
    return Math.ceil(Math.max(reconnectDelay(attempt, delays, random), spread.waitMs));
  };
  const common: RedisOptions = { ...boundedOptions(timeoutMs, topology === 'sentinel'), username, password, tls };
  if (topology === 'cluster') {
    return new ioredis.Cluster([...nodes], {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: Math.ceil(timeoutMs / TRIES),
      // A certificate is for names: they must not give way to addresses.
      ...(tls ? { dnsLookup: (name: string, done: (error: null, address: string) => void) => done(null, name) } : {}),
      // The offline queue of a node stays on, since ioredis itself asks nodes while they connect; we wait for them.
      redisOptions: common,
    });
  }
  const single: RedisOptions = { ...common, db: database, retryStrategy };
  if (topology === 'single') return new ioredis.Redis({ ...single, ...nodes[0] });
  return new ioredis.Redis({
    ...single,
    sentinels: [...nodes],
    name: masterName,
    sentinelUsername,
    sentinelPassword,
    ...(tls ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
    sentinelRetryStrategy: retryStrategy,
    sentinelReconnectStrategy: retryStrategy,
    sentinelCommandTimeout: Math.ceil(timeoutMs / TRIES),
    // Who still reaches a primary that the Sentinels have replaced hears of it from them.
    failoverDetector: true,
  });
}

/** Makes a connection for subscriptions, not yet open. It does not come back: its owner starts over with another one. */
export function makeSubscriber(client: Client, timeoutMs: number, random: Random, avoid?: string): Redis {
  return (isCluster(client) ? anyMaster(client, random, avoid) : client).duplicate({
    ...boundedOptions(timeoutMs, !isCluster(client) && Boolean(client.options.sentinels)),
    // For `disconnect` to take effect.
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    failoverDetector: false,
    autoResubscribe: false,
    readOnly: false,
  });
}

/** What is published reaches all nodes of a Cluster, so each process may listen to another one. */
function anyMaster(cluster: Cluster, random: Random, avoid?: string): Redis {
  const masters = cluster.nodes('master');
  const others = masters.filter((master) => addressOf(master) !== avoid);
  const choice = others.length > 0 ? others : masters;
  const chosen = choice[Math.floor(random() * choice.length)];
  if (!chosen) throw new Error('no node of the Cluster is known');
  return chosen;
}

export function isCluster(client: Client): client is Cluster {
  return client.isCluster;
}

export function addressOf({ options: { host = 'localhost', port = 6_379, path } }: Redis): string {
  return path ?? `${host}:${port}`;
}

const becoming = new WeakMap<Client, Promise<void>>();

/** However many wait, they listen once. @throws what keeps the connection from being made, or from staying */
export function untilReady(client: Client): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  let waiting = becoming.get(client);
  if (!waiting) {
    waiting = awaitReady(client).finally(() => becoming.delete(client));
    becoming.set(client, waiting);
  }
  return waiting;
}

/** A Cluster itself says only that none of its nodes can be used. */
export function reasonOf(error: Error & { lastNodeError?: Error | null }): Error {
  return error.lastNodeError ?? error;
}

/**
 * What ioredis says of a command that was under way, or about to be sent, when its connection closed. It does not say why
 * the connection closed.
 */
const ONLY_CLOSED =
  /^(Reached the max retries per request limit|Command aborted due to connection close|Connection is closed|Stream isn't writeable)/;

/** Whether an error tells that a connection closed, and not why. */
export function saysOnlyClosed(error: unknown): boolean {
  return ONLY_CLOSED.test((error as Partial<Error> | undefined)?.message ?? '');
}

function awaitReady(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    let lastError: Error | undefined;
    const finish = (error?: Error): void => {
      client.off('ready', onReady);
      client.off('error', onError);
      client.off('node error', onNodeError);
      client.off('close', onEnd);
      client.off('end', onEnd);
      if (error) reject(error);
      else resolve();
    };
    const onReady = (): void => finish();
    const onNodeError = (error: Error): void => void (lastError = error);
    const onError = (error: Error): void => {
      if (!isCluster(client)) finish(error);
      else lastError = reasonOf(error);
    };
    const onEnd = (): void => finish(lastError ?? new Error('the connection was closed'));
    client.on('ready', onReady);
    client.on('error', onError);
    client.on('node error', onNodeError);
    client.on('close', onEnd);
    client.on('end', onEnd);
    if (client.status === 'end') onEnd();
    else if (client.status === 'wait') client.connect().catch((error: Error) => finish(lastError ?? error));
  });
}
