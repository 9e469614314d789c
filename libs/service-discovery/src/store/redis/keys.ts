/** The keys of one service, all in one slot of a Cluster. */
export interface ServiceKeys {
  readonly records: string;
  readonly states: string;
  readonly details: string;
  readonly leases: string;
  readonly meta: string;
  readonly changes: string;
  /** A channel, not a key: heartbeats are not stored, they only extend leases. */
  readonly beats: string;
}

const CHANGES = 'changes';
const BEATS = 'beats';

/**
 * The names of all keys and channels in Redis: `sd:{<namespace>:<service>}:…` for a service, `sd:{<namespace>}:…` for
 * the namespace. The braces keep the keys of a service in one slot of a Redis Cluster, and spread services over all
 * slots.
 */
export class KeySpace {
  /** Sorted set: service names. */
  readonly names: string;
  /** Hash: the time of the last sweep. */
  readonly sweep: string;
  /** Sorted set: processes that check health. */
  readonly checkers: string;
  /** Stream: entries of the journal, of all processes. */
  readonly journal: string;
  /** Sorted set: which of them were appended a moment ago. */
  readonly seen: string;
  /** Stream: reports of the calls of all processes. */
  readonly reports: string;
  /** A channel that every process subscribes to, to count processes and to publish names that the index had lost. */
  readonly processes: string;
  /** Channel patterns that match all services. */
  readonly allChanges: string;
  readonly allBeats: string;
  private readonly start: string;

  /** @param namespace without braces, colons, spaces, and wildcards */
  constructor(namespace: string) {
    this.start = `sd:{${namespace}:`;
    this.names = `sd:{${namespace}}:names`;
    this.sweep = `sd:{${namespace}}:sweep`;
    this.checkers = `sd:{${namespace}}:checkers`;
    this.journal = `sd:{${namespace}}:journal`;
    this.seen = `sd:{${namespace}}:seen`;
    this.reports = `sd:{${namespace}}:reports`;
    this.processes = `sd:{${namespace}}:processes`;
    this.allChanges = `${this.start}*}:${CHANGES}`;
    this.allBeats = `${this.start}*}:${BEATS}`;
  }

  of(serviceName: string): ServiceKeys {
    const key = (part: string): string => `${this.start}${serviceName}}:${part}`;
    return {
      records: key('records'),
      states: key('states'),
      details: key('details'),
      leases: key('leases'),
      meta: key('meta'),
      changes: key(CHANGES),
      beats: key(BEATS),
    };
  }

  /** The service of a channel and what is published there; undefined for a channel that is not ours. */
  parse(channel: string): { serviceName: string; kind: 'changes' | 'beats' } | undefined {
    if (!channel.startsWith(this.start)) return undefined;
    const [serviceName = '', kind] = channel.slice(this.start.length).split('}:');
    return kind === CHANGES || kind === BEATS ? { serviceName, kind } : undefined;
  }
}

const SLOTS = 16_384;

/** CRC-16/XMODEM: polynomial 0x1021, initial value 0. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** The slot of a key in a Redis Cluster, by its hash tag if it has one. */
export function slotOf(key: string): number {
  const [, tag] = /^[^{]*\{([^}]+)\}/.exec(key) ?? [];
  let crc = 0;
  for (const byte of Buffer.from(tag ?? key)) crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >> 8) ^ byte]!;
  return crc % SLOTS;
}
