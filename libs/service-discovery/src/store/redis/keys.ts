/** The keys of one service, all in one slot of a Cluster. */
export interface ServiceKeys {
  readonly records: string;
  readonly states: string;
  readonly details: string;
  readonly leases: string;
  readonly meta: string;
  readonly changes: string;
  /** A channel, no key: nothing is kept of heartbeats but what the leases show. */
  readonly beats: string;
}

const CHANGES = 'changes';
const BEATS = 'beats';

/**
 * Names everything in Redis: `sd:{<namespace>:<service>}:…` for a service, `sd:{<namespace>}:…` for what belongs to
 * none. The braces make Redis Cluster keep what belongs together in one slot, and spread the services over all.
 */
export class KeySpace {
  /** Sorted set: service names. */
  readonly names: string;
  /** Hash: when the last sweep was. */
  readonly sweep: string;
  /** Sorted set: processes that check health. */
  readonly checkers: string;
  /** A channel that every process listens to: they are counted by it, and hear there of names that the index had lost. */
  readonly processes: string;
  /** Patterns of the channels of all services. */
  readonly allChanges: string;
  readonly allBeats: string;
  private readonly start: string;

  /** @param namespace without braces, colons, blanks, and characters that mean something in a pattern */
  constructor(namespace: string) {
    this.start = `sd:{${namespace}:`;
    this.names = `sd:{${namespace}}:names`;
    this.sweep = `sd:{${namespace}}:sweep`;
    this.checkers = `sd:{${namespace}}:checkers`;
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

  /** The service that a channel belongs to, and what is told there; undefined for a channel of somebody else. */
  parse(channel: string): { serviceName: string; tells: 'changes' | 'beats' } | undefined {
    if (!channel.startsWith(this.start)) return undefined;
    const [serviceName = '', tells] = channel.slice(this.start.length).split('}:');
    return tells === CHANGES || tells === BEATS ? { serviceName, tells } : undefined;
  }
}
