import { type Change, type ExpiryHold, type ServiceInstance, type WatchScope } from '../../model/index.js';
import { type ResetChange } from '../watch-hub.js';
import { orderOf, toServiceInstance, type StoredInstance } from './record.js';

/** One service as this process knows it. */
interface MirroredService {
  /** One text for all its instances. */
  readonly name: string;
  /** Empty where Redis knows nothing of the service. */
  epoch: string;
  /** The number of the last change that was taken in. */
  sequence: number;
  readonly instances: Map<string, ServiceInstance>;
  /** Null: expiry of the service is not held. */
  hold: ExpiryHold | null;
}

/** Epoch, sequence, kind, what the kind says, leases, hold: see `lua/sync.lua`. */
type SyncAnswer = [string, string, string, string[], string[], string[]];

/** What {@link Mirror.sync} makes of an answer. */
export interface SyncResult {
  /** To be told, in order, where the reader was not too far behind. */
  readonly changes: readonly Change[];
  /** The service was read whole: who had an older state has to start over. */
  readonly reloaded: boolean;
  /** Redis does not hold any more what it held: it was emptied, or came back with older data. */
  readonly lost: boolean;
}

/** More than all changes that Redis will ever tell of. */
const LOSS = 2 ** 32;

const NOTHING: SyncResult = { changes: [], reloaded: false, lost: false };

/** How far a reader of a service is. */
export interface Position {
  readonly epoch: string;
  readonly sequence: number;
}

/** What became of a change that was told. One that means nothing to this version is taken in, but not told on. */
export type Applied = { readonly change: Change | undefined } | 'known' | 'gap' | 'lost';

/**
 * The services that this process reads, as Redis last told of them. Changes of a service are numbered without a gap, so
 * that one that was missed shows.
 *
 * The revision is the sum of the numbers: it grows by one with each change, and falls only where Redis lost its data;
 * then by so much that it stays below what it was, however many changes the new data has seen already.
 */
export class Mirror {
  private readonly services = new Map<string, MirroredService>();
  private sum = 0;

  /** @param onBadRecord told of what cannot be read, which is left out */
  constructor(private readonly onBadRecord: (serviceName: string, instanceId: string, reason: string) => void) {}

  get revision(): number {
    return this.sum;
  }

  names(): string[] {
    return [...this.services.keys()];
  }

  /** What to ask Redis for: what comes after this. */
  positionOf(serviceName: string): Position {
    const { epoch = '', sequence = 0 } = this.services.get(serviceName) ?? {};
    return { epoch, sequence };
  }

  resetWithin(scope: WatchScope): ResetChange {
    const names = scope.services ? new Set(scope.services) : this.services.keys();
    const instances: ServiceInstance[] = [];
    const holds = new Map<string, ExpiryHold>();
    for (const name of names) {
      const service = this.services.get(name);
      if (!service) continue;
      for (const instance of service.instances.values()) instances.push(instance);
      if (service.hold) holds.set(name, service.hold);
    }
    return { type: 'reset', revision: this.sum, instances, ...(holds.size > 0 && { holds }) };
  }

  /** Takes in a change that was told on the channel of a service. */
  apply(serviceName: string, epoch: string, sequence: number, text: string): Applied {
    const service = this.services.get(serviceName);
    if (!service || service.epoch === '') {
      if (sequence !== 1) return 'gap';
      return { change: this.take(this.begin(ownText(serviceName), epoch), text) };
    }
    if (epoch !== service.epoch) return service.instances.size > 0 ? 'lost' : 'gap';
    if (sequence <= service.sequence) return 'known';
    if (sequence > service.sequence + 1) return 'gap';
    return { change: this.take(service, text) };
  }

  /**
   * Takes in what the script `sync` answered.
   * @param asked the position that it was asked with
   */
  sync(serviceName: string, asked: Position, answer: readonly unknown[]): SyncResult {
    const [epoch, sequence, kind, payload, leases, hold] = answer as SyncAnswer;
    const known = this.services.get(serviceName);
    if (kind === 'all') {
      return this.load(serviceName, asked, { epoch, sequence: Number(sequence) }, payload, toHold(hold));
    }
    if (!known) return NOTHING;
    // Some of them may have been told meanwhile.
    const first = Number(sequence) - payload.length + 1;
    const news = payload.slice(Math.max(0, known.sequence + 1 - first));
    const changes = known.epoch === epoch ? news.flatMap((text) => this.take(known, text) ?? []) : [];
    this.takeLeases(known, leases);
    return { changes, reloaded: false, lost: false };
  }

  /** Takes in heartbeats; undefined where none of them is of an instance that is known. */
  renew(serviceName: string, at: number, ids: readonly string[]): Change | undefined {
    const instances = this.services.get(serviceName)?.instances;
    const known = ids.filter((id) => instances?.has(id));
    if (!instances || known.length === 0) return undefined;
    const renewed = known.map((id) => ({ ...instances.get(id)!, lastHeartbeat: at }));
    for (const instance of renewed) instances.set(instance.instanceId, instance);
    const keys = known.map((instanceId) => ({ serviceName, instanceId }));
    return { type: 'renewed', revision: this.sum, keys, at, instances: renewed };
  }

  /** Forgets services that have no instances. */
  prune(names: Iterable<string>): void {
    for (const name of names) {
      const service = this.services.get(name);
      if (service?.instances.size === 0 && service.epoch === '') this.services.delete(name);
    }
  }

  private begin(serviceName: string, epoch: string): MirroredService {
    const service: MirroredService = { name: serviceName, epoch, sequence: 0, instances: new Map(), hold: null };
    this.services.set(serviceName, service);
    return service;
  }

  private load(
    serviceName: string,
    asked: Position,
    given: Position,
    rows: readonly string[],
    hold: ExpiryHold | null,
  ): SyncResult {
    const known = this.services.get(serviceName);
    const isSameEpoch = known?.epoch === given.epoch;
    // Another epoch's numbers say nothing: one that was asked for before this one was known.
    const wentBack = isSameEpoch && given.epoch === asked.epoch && given.sequence < asked.sequence;
    // An answer that changes have overtaken.
    if (known && isSameEpoch && !wentBack && given.sequence < known.sequence) return NOTHING;
    const lost = wentBack || (known !== undefined && known.instances.size > 0 && !isSameEpoch);
    this.sum += given.sequence - (known?.sequence ?? 0) - (lost ? LOSS : 0);
    const service = this.begin(serviceName, given.epoch);
    service.sequence = given.sequence;
    service.hold = hold;
    for (const stored of storedIn(serviceName, rows)) {
      const instance = this.read(stored);
      if (instance) service.instances.set(stored.instanceId, instance);
    }
    return { changes: [], reloaded: true, lost };
  }

  /** @returns undefined for a change of a kind that only newer processes know */
  private take(service: MirroredService, text: string): Change | undefined {
    service.sequence += 1;
    this.sum += 1;
    const serviceName = service.name;
    const fields = text.split('\n');
    const [type = '', id = ''] = fields;
    if (type === 'hold' || type === 'resume') {
      service.hold = type === 'hold' ? toHold(fields.slice(2)) : null;
      return { type: 'hold', revision: this.sum, serviceName, hold: service.hold };
    }
    const instanceId = service.instances.get(id)?.instanceId ?? ownText(id);
    if (type === 'put') {
      const [, , record = '', state = '', lastHeartbeat, detail = ''] = fields;
      const instance = this.read({ serviceName, instanceId, record, state, lastHeartbeat, detail });
      if (instance) {
        service.instances.set(instanceId, instance);
        return { type: 'put', revision: this.sum, instance };
      }
    } else if (type !== 'remove') {
      this.onBadRecord(serviceName, instanceId, `a change of the unknown type ${JSON.stringify(type)}`);
      return undefined;
    }
    // Also what cannot be read any more: whatever it was replaced by, the old registration holds no longer.
    service.instances.delete(instanceId);
    const reason = fields[2] === 'expired' ? 'expired' : 'deregistered';
    return { type: 'remove', revision: this.sum, key: { serviceName, instanceId }, reason };
  }

  private takeLeases(service: MirroredService, leases: readonly string[]): void {
    for (let index = 0; index < leases.length; index += 2) {
      const instance = service.instances.get(leases[index]!);
      if (!instance) continue;
      const lastHeartbeat = Number(leases[index + 1]) - instance.ttlMs;
      if (lastHeartbeat > instance.lastHeartbeat)
        service.instances.set(instance.instanceId, { ...instance, lastHeartbeat });
    }
  }

  private read(stored: StoredInstance): ServiceInstance | undefined {
    try {
      return toServiceInstance(stored);
    } catch (error) {
      this.onBadRecord(stored.serviceName, stored.instanceId, (error as Error).message);
      return undefined;
    }
  }
}

/** Five texts an instance, in order of registration. */
function storedIn(serviceName: string, rows: readonly string[]): StoredInstance[] {
  const stored: (StoredInstance & { order: number })[] = [];
  for (let index = 0; index < rows.length; index += 5) {
    const [instanceId = '', record = '', state = '', expiresAt, detail = ''] = rows.slice(index, index + 5);
    const [, ttlMs] = state.split(' ');
    const lastHeartbeat = String(Number(expiresAt) - Number(ttlMs));
    stored.push({ serviceName, instanceId, record, state, lastHeartbeat, detail, order: orderOf(state) });
  }
  return stored.sort((a, b) => a.order - b.order);
}

/** Since when, how many are overdue, of how many; empty: none. */
function toHold([since, overdue, total]: readonly string[]): ExpiryHold | null {
  return since === undefined ? null : { since: Number(since), overdue: Number(overdue), total: Number(total) };
}

/** A part of a longer text keeps the whole of it in memory; this copy does not. */
function ownText(part: string): string {
  return Buffer.from(part).toString();
}
