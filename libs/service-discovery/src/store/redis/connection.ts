import { type Cluster, type Redis, type RedisOptions } from 'ioredis';
import { type Clock, type Random, reconnectDelay } from '../../common/index.js';
import { type RedisServers } from './redis-url.js';

/** A connection to one server, or to a whole Cluster. */
export type Client = Redis | Cluster;

const RECONNECT = { firstMs: 50, longestMs: 2_000 };
/** During a failover, Sentinels and other nodes are asked, often so that the outage stays short. */
const RECONNECT_AT_FAILOVER = { firstMs: 50, longestMs: 500 };
/** How long a connection that is closed may take to end by itself, in milliseconds. */
const DISCONNECT_MS = 50;
/** One of several Sentinels or nodes may hang: this many attempts fit into the command timeout. */
const TRIES = 3;

/** Options that keep a connection from sending commands whose callers gave up, and from waiting for dead servers. */
function boundedOptions(timeoutMs: number, isBehindSentinel: boolean): RedisOptions {
  return {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    disconnectTimeout: DISCONNECT_MS,
    // A command that could not be sent in time must not be sent later: its caller has moved on.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // These would cost Redis extra commands when all processes reconnect. HELLO shows that the server answers, and the
    // first command shows whether it is still loading. The role of a server behind Sentinel has to be checked, however.
    disableClientInfo: true,
    enableReadyCheck: isBehindSentinel,
  };
}

/** Creates the connection for commands, which reconnects by itself. */
export async function makeClient(
  servers: RedisServers,
  timeoutMs: number,
  random: Random,
  spread: ReconnectSpread,
): Promise<Client> {
  // Imported lazily: apps with another store do not load ioredis.
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
      // Certificates are issued for names, so names must not be replaced by addresses.
      ...(tls ? { dnsLookup: (name: string, done: (error: null, address: string) => void) => done(null, name) } : {}),
      // The offline queue of nodes stays on, since ioredis itself queries nodes while they connect; we wait for them.
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
    // A client that still reaches a replaced primary learns that from the Sentinels.
    failoverDetector: true,
  });
}

/** Creates a connection for subscriptions, not yet open. It does not reconnect: its owner creates another one. */
export function makeSubscriber(client: Client, timeoutMs: number, random: Random, avoid?: string): Redis {
  return (isCluster(client) ? anyMaster(client, random, avoid) : client).duplicate({
    ...boundedOptions(timeoutMs, !isCluster(client) && Boolean(client.options.sentinels)),
    // Required for `disconnect` to take effect.
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    failoverDetector: false,
    autoResubscribe: false,
    readOnly: false,
  });
}

/** All nodes of a Cluster receive published messages, so each process may subscribe to a different one. */
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

/** Shared by all callers that wait for one client. @throws why the connection could not be made or kept */
export function untilReady(client: Client): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  let waiting = becoming.get(client);
  if (!waiting) {
    waiting = awaitReady(client).finally(() => becoming.delete(client));
    becoming.set(client, waiting);
  }
  return waiting;
}

/** The error of the node: a Cluster itself only says that none of its nodes can be used. */
export function reasonOf(error: Error & { lastNodeError?: Error | null }): Error {
  return error.lastNodeError ?? error;
}

/**
 * The ioredis errors of commands whose connection closed while they were in flight or about to be sent. They do not say
 * why it closed.
 */
const ONLY_CLOSED =
  /^(Reached the max retries per request limit|Command aborted due to connection close|Connection is closed|Stream isn't writeable)/;

/** Whether an error says only that a connection closed, not why. */
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

/**
 * The commands that the return of one process costs Redis: two connections, two subscriptions, the list of names, and
 * its own registration, renewed and then made again. Each service that it reads adds one.
 */
const COMMANDS_PER_RETURN = 10;
/** The commands per second that all returning processes together may add to the load of Redis. */
const COMMANDS_PER_SECOND = 1_000;
/** The heartbeat interval of a default lease. A process that returned later would have missed heartbeats. */
const LONGEST_WINDOW_MS = 30_000;
/** How fast the known fleet size decays: processes that return first count only each other. */
const MEMORY = 0.98;

/**
 * When a process that lost Redis may reconnect. Processes that lost it together are spread over a window that grows
 * with their number: some milliseconds for a few, 11 s for a thousand that read one service each. The moment is uniform
 * over the window ("full jitter"; Brooker, Exponential Backoff And Jitter, 2015) and the same for all connections of a
 * process.
 */
export class ReconnectSpread {
  private processes = 1;
  private dueAt = Number.NEGATIVE_INFINITY;

  /** @param servicesRead how many services this process reads again when it returns */
  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly servicesRead: () => number,
  ) {}

  /** The time within which all processes return, in milliseconds. */
  get windowMs(): number {
    const commands = this.processes * (COMMANDS_PER_RETURN + this.servicesRead());
    return Math.min(LONGEST_WINDOW_MS, (commands / COMMANDS_PER_SECOND) * 1_000);
  }

  /** Updates the number of processes. */
  fleetSeen(processes: number): void {
    this.processes = Math.max(1, processes, this.processes * MEMORY);
  }

  /** A connection was lost or could not be made: draws the time of return, unless one is pending. */
  lost(): void {
    const now = this.clock.now();
    if (this.dueAt <= now) this.dueAt = now + this.random() * this.windowMs;
  }

  /** The time until the return, in milliseconds; 0 if it has passed or nothing was lost. */
  get waitMs(): number {
    return Math.max(0, this.dueAt - this.clock.now());
  }
}
