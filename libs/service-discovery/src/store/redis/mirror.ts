import {
  changeInstance,
  keyOf,
  type Change,
  type ExpiryHold,
  type InstanceKey,
  type ServiceInstance,
  type WatchScope,
} from '../../model/index.js';
import { type ResetChange } from '../watch-hub.js';
import { EndedLeases } from './ended-leases.js';
import { orderOf, toRecord, toServiceInstance, toState, type StoredInstance } from './record.js';

/** One service as this process knows it. */
interface MirroredService {
  /** One text for all its instances. */
  readonly name: string;
  /** Empty where Redis knows nothing of the service. */
  epoch: string;
  /** The number of the last change that was taken in. */
  sequence: number;
  /** What tells that change from another one of the same number. */
  tag: string;
  readonly instances: Map<string, ServiceInstance>;
  /** Null: expiry of the service is not held. */
  hold: ExpiryHold | null;
}

/** Epoch, sequence, tag, kind, what the kind says, leases or removals, hold, counts: see `lua/sync.lua`. */
type SyncAnswer = [string, string, string, string, string[], string[], string[], number[]];

/** What {@link Mirror.sync} makes of an answer. */
export interface SyncResult {
  /** To be told, in order, where the reader was not too far behind. */
  readonly changes: readonly Change[];
  /** The service was read whole: who had an older state has to start over. */
  readonly reloaded: boolean;
  /** Redis does not hold any more what it held: it was emptied, came back with older data, or another server took over. */
  readonly lost: boolean;
  /** Redis holds less than what is known here, though nothing of it was ended: see {@link Mirror.holdingsOf}. */
  readonly isShort: boolean;
}

/** A registration that Redis holds though it was ended: which one. */
export interface Revenant extends InstanceKey {
  readonly generation: number;
}

/** More than all changes that Redis will ever tell of. */
const LOSS = 2 ** 32;

const NOTHING: SyncResult = { changes: [], reloaded: false, lost: false, isShort: false };

/** How far a reader of a service is. */
export interface Position {
  readonly epoch: string;
  readonly sequence: number;
  readonly tag: string;
}

/** A change as it is told on the channel of a service. */
export interface ToldChange {
  readonly epoch: string;
  readonly sequence: number;
  /** The tag of the change before. */
  readonly previous: string;
  readonly tag: string;
  readonly text: string;
}

/** What became of a change that was told. One that means nothing to this version is taken in, but not told on. */
export type Applied = { readonly change: Change | undefined } | 'known' | 'gap' | 'lost';

/**
 * The services that this process reads, as Redis last told of them. Changes of a service are numbered without a gap, so
 * that one that was missed shows; where the tags do not agree, numbers stand for other changes than those known here.
 *
 * The revision grows by one with each change, and falls only where Redis lost data; then by so much that it stays below
 * what it was, however many changes the new data has seen already.
 */
export class Mirror {
  private readonly services = new Map<string, MirroredService>();
  private readonly ended = new EndedLeases();
  private readonly returned = new Map<string, Revenant>();
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
    const { epoch = '', sequence = 0, tag = '' } = this.services.get(serviceName) ?? {};
    return { epoch, sequence, tag };
  }

  has({ serviceName, instanceId }: InstanceKey): boolean {
    return this.services.get(serviceName)?.instances.has(instanceId) ?? false;
  }

  /** What Redis holds though it was ended, and is left out here: to be ended again. */
  get revenants(): readonly Revenant[] {
    return [...this.returned.values()];
  }

  /** A lease was ended by this process, or is again. */
  end({ serviceName, instanceId, generation }: Revenant): void {
    const key = { serviceName, instanceId };
    this.ended.add(key, generation);
    this.returned.delete(keyOf(key));
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
  apply(serviceName: string, { epoch, sequence, previous, tag, text }: ToldChange): Applied {
    const service = this.services.get(serviceName);
    if (!service || service.epoch === '') {
      // Where Redis lost its numbers, and what it numbered is still there, the first new one is not all that there is.
      if (sequence !== 1 || (service && service.instances.size > 0)) return 'gap';
      return { change: this.take(this.begin(ownText(serviceName), epoch), text, tag) };
    }
    if (epoch !== service.epoch) return service.instances.size > 0 ? 'lost' : 'gap';
    // Told before it was read. What another history says about an older number shows at the next comparison.
    if (sequence < service.sequence) return 'known';
    if (sequence === service.sequence) return tag === service.tag ? 'known' : 'lost';
    if (sequence > service.sequence + 1) return 'gap';
    if (previous !== service.tag) return 'lost';
    return { change: this.take(service, text, tag) };
  }

  /**
   * Takes in what the script `sync` answered.
   * @param asked the position that it was asked with
   */
  sync(serviceName: string, asked: Position, answer: readonly unknown[]): SyncResult {
    const [epoch, number, tag, kind, payload, last, hold, [held = 0, details = 0, isWhole = 1]] = answer as SyncAnswer;
    const given: Position = { epoch, sequence: Number(number), tag };
    const known = this.services.get(serviceName);
    if (kind === 'all') return this.load(serviceName, given, payload, toHold(hold), false, Number(isWhole) !== 1);
    if (kind === 'forked') {
      const changes = this.removalsAmong(serviceName, last);
      // Another history than the one that was asked with, but by now it may be known.
      const isNews = known?.epoch !== epoch || asked.epoch === epoch;
      return { ...this.load(serviceName, given, payload, toHold(hold), isNews, isNews), changes };
    }
    if (!known) return NOTHING;
    const changes: Change[] = [];
    if (known.epoch === epoch) {
      // Some of them may have been told meanwhile.
      const first = given.sequence - payload.length / 2 + 1;
      for (let index = 2 * Math.max(0, known.sequence + 1 - first); index < payload.length; index += 2) {
        const change = this.take(known, payload[index]!, payload[index + 1]!);
        if (change) changes.push(change);
      }
    }
    this.takeLeases(known, last);
    const isLevel = known.epoch === epoch && known.sequence === given.sequence && known.tag === tag;
    const isShort = isLevel && (held < known.instances.size || details < countDetails(known));
    return { changes, reloaded: false, lost: false, isShort };
  }

  /** All that is known of a service, each instance as four texts: id, record, state, detail; for `lua/restore.lua`. */
  holdingsOf(serviceName: string): string[][] {
    const instances = [...(this.services.get(serviceName)?.instances.values() ?? [])];
    return instances.map((instance, index) => {
      const { instanceId, health } = instance;
      return [instanceId, toRecord(instance), toState(instance, index + 1), health ? JSON.stringify(health) : ''];
    });
  }

  /** The services of which instances are known. */
  usedNames(): string[] {
    return [...this.services.values()].filter(({ instances }) => instances.size > 0).map(({ name }) => name);
  }

  /** Takes in heartbeats; undefined where none of them is of an instance that is known. */
  renew(serviceName: string, at: number, ids: readonly string[]): Change | undefined {
    const instances = this.services.get(serviceName)?.instances;
    const known = ids.filter((id) => instances?.has(id));
    if (!instances || known.length === 0) return undefined;
    const renewed = known.map((id) => changeInstance(instances.get(id)!, { lastHeartbeat: at }));
    for (const instance of renewed) instances.set(instance.instanceId, instance);
    const keys = known.map((instanceId) => ({ serviceName, instanceId }));
    return { type: 'renewed', revision: this.sum, keys, at, instances: renewed };
  }

  /** Forgets services that Redis knows nothing of. @returns which */
  prune(names: Iterable<string>): string[] {
    return [...names].filter((name) => {
      const service = this.services.get(name);
      return service?.instances.size === 0 && service.epoch === '' && this.services.delete(name);
    });
  }

  private begin(serviceName: string, epoch: string): MirroredService {
    const instances = new Map<string, ServiceInstance>();
    const service: MirroredService = { name: serviceName, epoch, sequence: 0, tag: '', instances, hold: null };
    this.services.set(serviceName, service);
    return service;
  }

  /**
   * @param forked whether Redis holds another history than the one that is known here
   * @param isLess whether Redis does not hold all that it should
   */
  private load(
    serviceName: string,
    given: Position,
    rows: readonly string[],
    hold: ExpiryHold | null,
    forked: boolean,
    isLess: boolean,
  ): SyncResult {
    const known = this.services.get(serviceName);
    // An answer that changes have overtaken.
    if (!forked && known?.epoch === given.epoch && given.sequence < known.sequence) return NOTHING;
    const lost = isLess && known !== undefined && known.instances.size > 0;
    const added = given.sequence - (known?.sequence ?? 0);
    // A service whose last instance is long gone may start anew, which is no loss.
    this.sum += lost ? added - LOSS : Math.max(0, added);
    const service = this.begin(serviceName, given.epoch);
    service.sequence = given.sequence;
    service.tag = given.tag;
    service.hold = hold;
    for (const stored of storedIn(serviceName, rows)) {
      const instance = this.read(stored);
      if (!instance) continue;
      const { instanceId, generation } = instance;
      if (this.ended.has(instance, generation))
        this.returned.set(keyOf(instance), { serviceName, instanceId, generation });
      else service.instances.set(instanceId, instance);
    }
    return { changes: [], reloaded: true, lost, isShort: false };
  }

  /**
   * What the server that took over was told of, and this process was not: that the registrations were ended which it
   * knows. Else they would count as lost, and be kept for a while.
   */
  private removalsAmong(serviceName: string, texts: readonly string[]): Change[] {
    const instances = this.services.get(serviceName)?.instances;
    return texts.flatMap((text): Change[] => {
      const [type, instanceId = '', reason, generation] = text.split('\n');
      if (type !== 'remove' || reason !== 'deregistered') return [];
      const key = { serviceName, instanceId };
      this.ended.add(key, Number(generation));
      if (instances?.get(instanceId)?.generation !== Number(generation)) return [];
      return [{ type: 'remove', revision: this.sum, key, reason }];
    });
  }

  /** @returns undefined for a change of a kind that only newer processes know */
  private take(service: MirroredService, text: string, tag: string): Change | undefined {
    service.sequence += 1;
    service.tag = ownText(tag);
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
    const key = { serviceName, instanceId };
    const reason = fields[2] === 'expired' ? 'expired' : 'deregistered';
    if (type !== 'remove') return { type: 'remove', revision: this.sum, key, reason };
    const generation = Number(fields[3]);
    if (reason === 'deregistered') this.end({ ...key, generation });
    return { type: 'remove', revision: this.sum, key, reason, generation };
  }

  private takeLeases(service: MirroredService, leases: readonly string[]): void {
    for (let index = 0; index < leases.length; index += 2) {
      const instance = service.instances.get(leases[index]!);
      if (!instance) continue;
      const lastHeartbeat = Number(leases[index + 1]) - instance.ttlMs;
      if (lastHeartbeat > instance.lastHeartbeat) {
        service.instances.set(instance.instanceId, changeInstance(instance, { lastHeartbeat }));
      }
    }
  }

  private read(stored: StoredInstance): ServiceInstance | undefined {
    try {
      const instance = toServiceInstance(stored);
      return this.returned.get(keyOf(instance))?.generation === instance.generation ? undefined : instance;
    } catch (error) {
      this.onBadRecord(stored.serviceName, stored.instanceId, (error as Error).message);
      return undefined;
    }
  }
}

function countDetails({ instances }: MirroredService): number {
  let count = 0;
  for (const { health } of instances.values()) if (health) count += 1;
  return count;
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
