import {
  type Change,
  changeInstance,
  type ExpiryHold,
  type InstanceKey,
  isServiceSplit,
  keyOf,
  serviceKeyOf,
  type ServiceInstance,
  type ServiceSplit,
  type WatchScope,
} from '../../model/index.js';
import { type ResetChange } from '../watch-hub.js';
import { type Refusal } from './keyring.js';
import { type RecordSignatures } from './record-signatures.js';
import { type SplitSignatures } from './split-signatures.js';
import { claimOf, generationOf, orderOf, type StoredInstance, toRecord, toServiceInstance, toState } from './record.js';

/** One service as this process knows it. */
interface MirroredService {
  /** The string shared by all its instances. */
  readonly name: string;
  /** Empty if Redis knows nothing of the service. */
  epoch: string;
  /** The number of the last applied change. */
  sequence: number;
  /** Tells that change from another one with the same number. */
  tag: string;
  readonly instances: Map<string, ServiceInstance>;
  /** The claims of recovered registrations, by instance id. A restored state with a higher one would refuse its owner. */
  readonly claims: Map<string, number>;
  /** Null if expiry of the service is not held. */
  hold: ExpiryHold | null;
  /** Undefined if its calls are not split. */
  split: ServiceSplit | undefined;
}

/** Epoch, sequence, tag, kind, payload, leases or removals, hold, counts, split: see `lua/sync.lua`. */
type SyncAnswer = [string, string, string, string, string[], string[], string[], number[], string[]?];

/** The outcome of {@link Mirror.sync}. */
export interface SyncResult {
  /** Changes to publish, in order, if the reader was not too far behind. */
  readonly changes: readonly Change[];
  /** The whole service was read, so readers have to start over. */
  readonly reloaded: boolean;
  /** Redis lost data that it held: it was flushed, restored from an older dump, or failed over to a server behind. */
  readonly lost: boolean;
  /** Redis holds less than is known here although nothing was removed: see {@link Mirror.rowsForRestore}. */
  readonly isIncomplete: boolean;
  /** Redis holds more than is known here although nothing was added: what it holds has to be read to be judged. */
  readonly hasMore: boolean;
  /** A change of another history was applied before the reply arrived: the reply was ignored, so read again. */
  readonly isOvertaken: boolean;
}

/** A lease that was removed, but that Redis holds again after a failover. */
interface ResurrectedLease extends InstanceKey {
  readonly generation: number;
}

const UNRENEWED =
  'the signature of the registration has become invalid: its lease is renewed, but it is not signed again';
/** More than the number of changes that Redis will ever publish. */
const LOSS_PENALTY = 2 ** 32;

const NOTHING: SyncResult = {
  changes: [],
  reloaded: false,
  lost: false,
  isIncomplete: false,
  hasMore: false,
  isOvertaken: false,
};

interface MirrorOptions {
  /** Called with each record that cannot be read, which is skipped. */
  readonly onBadRecord: (serviceName: string, instanceId: string, reason: string) => void;
  /** Tells genuine records from others. @default all are used */
  readonly signatures?: RecordSignatures;
  /** The same for splits. */
  readonly splitSignatures?: SplitSignatures;
  /** Called with each record that is not genuine. It is ignored if signatures are required. */
  readonly onRefused?: (key: InstanceKey, refusal: Refusal) => void;
}

/** How far a service has been read. */
export interface Position {
  readonly epoch: string;
  readonly sequence: number;
  readonly tag: string;
}

/** A change as published on the channel of a service. */
export interface PublishedChange {
  readonly epoch: string;
  readonly sequence: number;
  /** The tag of the previous change. */
  readonly previous: string;
  readonly tag: string;
  readonly text: string;
}

/**
 * The outcome of a published change. A change of an unknown type is applied, but not passed on. `isLoss`: Redis lost
 * its data, so the change is valid but its number belongs to a new history.
 */
type Applied = { readonly change: Change | undefined; readonly isLoss?: boolean } | 'known' | 'gap';

/**
 * The services that this process reads, as Redis last reported them. The changes of a service are numbered without
 * gaps, so a missed change is detected; a mismatch of the tags shows that the numbers belong to another history.
 *
 * The revision grows by one with each change and falls only when Redis lost data. It then falls so far that it stays
 * below earlier revisions, however many changes the new data has already had.
 */
export class Mirror {
  private readonly services = new Map<string, MirroredService>();
  private readonly ended = new EndedLeases();
  private readonly resurrectedById = new Map<string, ResurrectedLease>();
  private sum = 0;

  constructor(private readonly options: MirrorOptions) {}

  get revision(): number {
    return this.sum;
  }

  /** Whether Redis has lost data in the lifetime of this process: only that makes the revision negative. */
  get hasLost(): boolean {
    return this.sum < 0;
  }

  names(): string[] {
    return [...this.services.keys()];
  }

  /** The position to read from. */
  positionOf(serviceName: string): Position {
    const { epoch = '', sequence = 0, tag = '' } = this.services.get(serviceName) ?? {};
    return { epoch, sequence, tag };
  }

  has({ serviceName, instanceId }: InstanceKey): boolean {
    return this.services.get(serviceName)?.instances.has(instanceId) ?? false;
  }

  /** Leases that have ended, but that Redis holds. They are hidden here and have to be removed there. */
  get resurrected(): readonly ResurrectedLease[] {
    return [...this.resurrectedById.values()];
  }

  get resurrectedCount(): number {
    return this.resurrectedById.size;
  }

  /** Call it when this process has removed a lease, for the first time or again. */
  end({ serviceName, instanceId, generation }: ResurrectedLease): void {
    const key = { serviceName, instanceId };
    this.ended.add(key, generation);
    this.resurrectedById.delete(keyOf(key));
  }

  /**
   * Takes out instances whose signatures have become invalid, although their leases are renewed. Redis should not hold
   * them either: they are {@link resurrected}.
   */
  endInvalid(): Change[] {
    const { signatures, onRefused } = this.options;
    if (!signatures) return [];
    const changes: Change[] = [];
    for (const service of this.services.values()) {
      for (const { instanceId, generation } of service.instances.values()) {
        const key = { serviceName: service.name, instanceId };
        if (!signatures.isInvalid(key)) continue;
        forgetInstance(service, instanceId);
        this.resurrectedById.set(keyOf(key), { ...key, generation });
        this.sum += 1;
        changes.push({ type: 'remove', revision: this.sum, key, reason: 'expired', generation });
        onRefused?.(key, { kind: 'replayed_record', reason: UNRENEWED, isOver: true });
      }
    }
    signatures.prune();
    return changes;
  }

  resetWithin(scope: WatchScope): ResetChange {
    const names = scope.services ? new Set(scope.services) : this.services.keys();
    const instances: ServiceInstance[] = [];
    const holds = new Map<string, ExpiryHold>();
    const splits = new Map<string, ServiceSplit>();
    for (const name of names) {
      const service = this.services.get(name);
      if (!service) continue;
      for (const instance of service.instances.values()) instances.push(instance);
      if (service.hold) holds.set(name, service.hold);
      if (service.split) splits.set(name, service.split);
    }
    return {
      type: 'reset',
      revision: this.sum,
      instances,
      ...(holds.size > 0 && { holds }),
      ...(splits.size > 0 && { splits }),
    };
  }

  /** Applies a change published on the channel of a service. */
  apply(serviceName: string, { epoch, sequence, previous, tag, text }: PublishedChange): Applied {
    const service = this.services.get(serviceName);
    if (!service || service.epoch === '') {
      // If Redis lost its numbers but still has instances, its first new change is not all that there is.
      if (sequence !== 1 || (service && service.instances.size > 0)) return 'gap';
      return { change: this.take(this.begin(ownText(serviceName), epoch), text, tag) };
    }
    if (epoch !== service.epoch) return service.instances.size > 0 ? this.afterLoss(service, text) : 'gap';
    // Published before the service was read. Another history at an older number shows at the next audit.
    if (sequence < service.sequence) return 'known';
    if (sequence === service.sequence) return tag === service.tag ? 'known' : this.afterLoss(service, text);
    if (sequence > service.sequence + 1) return 'gap';
    if (previous !== service.tag) return this.afterLoss(service, text);
    return { change: this.take(service, text, tag) };
  }

  /**
   * Applies the reply of the script `sync`.
   * @param requested the position that was passed to it
   */
  sync(serviceName: string, requested: Position, answer: readonly unknown[]): SyncResult {
    const [epoch, number, tag, kind, payload, last, hold, counts, split] = answer as SyncAnswer;
    const [held = 0, details = 0, isWhole = 1] = counts;
    const given: Position = { epoch, sequence: Number(number), tag };
    const known = this.services.get(serviceName);
    const isOvertaken = known !== undefined && known.epoch !== requested.epoch && known.epoch !== epoch;
    if (isOvertaken) return { ...NOTHING, isOvertaken };
    if (kind === 'all' || kind === 'forked') {
      const changes = this.removalsAmong(serviceName, last);
      const isForked = kind === 'forked';
      // Not the history that was asked for, but it may have been loaded in the meantime.
      const isNews = isForked && (known?.epoch !== epoch || requested.epoch === epoch);
      const isPartial = isForked ? isNews : Number(isWhole) !== 1;
      const facts = { hold: toHold(hold), split: this.readSplit(serviceName, split ?? [], known?.split) };
      return { ...this.load(serviceName, given, payload, facts, isNews, isPartial), changes };
    }
    if (!known) return NOTHING;
    const changes: Change[] = [];
    if (known.epoch === epoch) {
      // Some of them may have been published and applied in the meantime.
      const first = given.sequence - payload.length / 2 + 1;
      for (let index = 2 * Math.max(0, known.sequence + 1 - first); index < payload.length; index += 2) {
        const change = this.take(known, payload[index]!, payload[index + 1]!);
        if (change) changes.push(change);
      }
    }
    this.takeLeases(known, last);
    const isLevel = known.epoch === epoch && known.sequence === given.sequence && known.tag === tag;
    const isIncomplete = isLevel && (held < known.instances.size || details < countDetails(known));
    const hasMore = this.options.signatures !== undefined && isLevel && held > known.instances.size;
    return { ...NOTHING, changes, isIncomplete, hasMore };
  }

  /** All instances of a service, each as id, record, state and detail, for `lua/restore.lua`. */
  rowsForRestore(serviceName: string): string[][] {
    const service = this.services.get(serviceName);
    const instances = [...(service?.instances.values() ?? [])];
    return instances.map((instance, index) => {
      const { instanceId, health } = instance;
      const state = toState(instance, index + 1, service?.claims.get(instanceId));
      const record = this.options.signatures?.textOf(instance) ?? toRecord(instance);
      return [instanceId, record, state, health ? JSON.stringify(health) : ''];
    });
  }

  /** The services with known instances, and those whose calls are split. */
  usedNames(): string[] {
    const used = [...this.services.values()].filter(
      ({ instances, split }) => instances.size > 0 || split !== undefined,
    );
    return used.map(({ name }) => name);
  }

  /** Applies heartbeats. @returns undefined if none of them is of a known instance */
  renew(serviceName: string, at: number, ids: readonly string[]): Change | undefined {
    const instances = this.services.get(serviceName)?.instances;
    const known = ids.filter((id) => instances?.has(id));
    if (!instances || known.length === 0) return undefined;
    const renewed = known.map((id) => changeInstance(instances.get(id)!, { lastHeartbeat: at }));
    for (const instance of renewed) instances.set(instance.instanceId, instance);
    const keys = known.map((instanceId) => ({ serviceName, instanceId }));
    return { type: 'renewed', revision: this.sum, keys, at, instances: renewed };
  }

  /** Forgets services that Redis knows nothing of. @returns their names */
  prune(names: Iterable<string>): string[] {
    return [...names].filter((name) => {
      const service = this.services.get(name);
      return service?.instances.size === 0 && service.epoch === '' && this.services.delete(name);
    });
  }

  private begin(serviceName: string, epoch: string): MirroredService {
    const instances = new Map<string, ServiceInstance>();
    const claims = new Map<string, number>();
    const service: MirroredService = {
      name: serviceName,
      epoch,
      sequence: 0,
      tag: '',
      instances,
      claims,
      hold: null,
      split: undefined,
    };
    this.services.set(serviceName, service);
    return service;
  }

  /**
   * @param forked whether Redis has another history than the one known here
   * @param isPartial whether Redis has lost a part of the service
   */
  private load(
    serviceName: string,
    given: Position,
    rows: readonly string[],
    facts: Pick<MirroredService, 'hold' | 'split'>,
    forked: boolean,
    isPartial: boolean,
  ): SyncResult {
    const known = this.services.get(serviceName);
    // The reply is older than changes that were applied since.
    if (!forked && known?.epoch === given.epoch && given.sequence < known.sequence) return NOTHING;
    const lost = isPartial && known !== undefined && known.instances.size > 0;
    const added = given.sequence - (known?.sequence ?? 0);
    // A service may start a new epoch long after its last instance was removed, which is not a loss.
    this.sum += lost ? added - LOSS_PENALTY : Math.max(0, added);
    const isLevel = known?.epoch === given.epoch && known.sequence === given.sequence && known.tag === given.tag;
    const service = this.begin(serviceName, given.epoch);
    service.sequence = given.sequence;
    service.tag = given.tag;
    Object.assign(service, facts);
    for (const stored of rowsIn(serviceName, rows)) {
      const isEnded = this.hasEnded(stored);
      const refusal = isEnded ? undefined : this.judge(stored);
      if (isEnded || refusal?.isOver) this.hide(stored);
      else if (!refusal) {
        const instance = this.read(stored);
        if (instance) setInstance(service, instance, stored.state);
      } else if (isLevel) {
        // What was held stays where Redis shows no change of it: its owner did not write what is there.
        const held = known.instances.get(stored.instanceId);
        if (held) service.instances.set(held.instanceId, held);
      }
    }
    return { ...NOTHING, reloaded: true, lost };
  }

  /**
   * The removals that Redis knows and this process does not, after a failover or a loss. Without them the instances would
   * count as lost and be kept for a while. Includes instances that are not held here: an earlier read may have found
   * nothing, and readers have kept since then what they knew.
   */
  private removalsAmong(serviceName: string, texts: readonly string[]): Change[] {
    const instances = this.services.get(serviceName)?.instances;
    return texts.flatMap((text): Change[] => {
      const [type, instanceId = '', reason, generation] = text.split('\n');
      if (type !== 'remove' || reason !== 'deregistered') return [];
      const key = { serviceName, instanceId };
      this.ended.add(key, Number(generation));
      const known = instances?.get(instanceId);
      if (known && known.generation !== Number(generation)) return [];
      if (known) this.options.signatures?.end(key);
      return [{ type: 'remove', revision: this.sum, key, reason, generation: Number(generation) }];
    });
  }

  /** @returns undefined for a change of a type that only newer versions know */
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
    if (type === 'split') {
      const split = this.readSplit(serviceName, fields.slice(2), service.split);
      if (!split || split === service.split) return undefined;
      service.split = split;
      return { type: 'split', revision: this.sum, serviceName, split };
    }
    const instanceId = service.instances.get(id)?.instanceId ?? ownText(id);
    if (type === 'put') {
      const stored = storedIn(service, fields);
      const refusal = this.judge(stored);
      if (refusal?.isOver) this.hide(stored);
      // What is held stays: its owner did not write this.
      if (refusal) return undefined;
      const instance = this.read(stored);
      if (instance) {
        setInstance(service, instance, stored.state);
        return { type: 'put', revision: this.sum, instance };
      }
    } else if (type !== 'remove') {
      this.options.onBadRecord(serviceName, instanceId, `a change of unknown type ${JSON.stringify(type)}`);
      return undefined;
    }
    // Also if the new record cannot be read: the old registration is no longer valid.
    forgetInstance(service, instanceId);
    const key = { serviceName, instanceId };
    const reason = fields[2] === 'expired' ? 'expired' : 'deregistered';
    if (type !== 'remove') return { type: 'remove', revision: this.sum, key, reason };
    const generation = Number(fields[3]);
    if (reason === 'deregistered') this.end({ ...key, generation });
    this.options.signatures?.end(key);
    return { type: 'remove', revision: this.sum, key, reason, generation };
  }

  /**
   * A registration that Redis may lose before it is read is passed on, but not applied: the message may also be an old one
   * that arrives late, and what is held here belongs to its position.
   */
  private afterLoss(service: MirroredService, text: string): Applied {
    const fields = text.split('\n');
    const stored = fields[0] === 'put' ? storedIn(service, fields) : undefined;
    const instance = stored && !this.judge(stored) ? this.read(stored) : undefined;
    const known = instance && service.instances.get(instance.instanceId);
    const isNewer = instance && instance.generation > (known?.generation ?? 0);
    return { change: isNewer ? { type: 'put', revision: this.sum, instance } : undefined, isLoss: true };
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

  /** Whether the registration was deregistered. A signature that was made after that shows that it is still there. */
  private hasEnded(stored: StoredInstance): boolean {
    const { signatures } = this.options;
    if (!this.ended.has(stored, generationOf(stored.state))) return false;
    return signatures === undefined || signatures.check(stored) !== undefined;
  }

  /** Redis holds what has ended: see {@link resurrected}. */
  private hide({ serviceName, instanceId, state }: StoredInstance): void {
    const generation = generationOf(state);
    this.resurrectedById.set(keyOf({ serviceName, instanceId }), { serviceName, instanceId, generation });
  }

  /** @returns why a record is ignored; undefined if it is used */
  private judge(stored: StoredInstance): Refusal | undefined {
    const { signatures, onRefused } = this.options;
    const refusal = signatures?.check(stored);
    if (!refusal) return undefined;
    onRefused?.({ serviceName: stored.serviceName, instanceId: stored.instanceId }, refusal);
    return signatures?.isRequired ? refusal : undefined;
  }

  /** @returns undefined if there is none; what is held where it cannot be read, or is refused */
  private readSplit(
    serviceName: string,
    [text = '', signature = '']: readonly string[],
    held: ServiceSplit | undefined,
  ): ServiceSplit | undefined {
    if (text === '') return undefined;
    const { splitSignatures, onRefused, onBadRecord } = this.options;
    const refusal = splitSignatures?.check(serviceName, { text, signature });
    if (refusal) onRefused?.(serviceKeyOf(serviceName), refusal);
    if (refusal && splitSignatures?.isRequired) return held;
    try {
      const split: unknown = JSON.parse(text);
      if (isServiceSplit(split)) return split;
    } catch {
      // Reported below, together with other values that are no splits.
    }
    onBadRecord(serviceName, '', 'the split of the calls cannot be read');
    return held;
  }

  /** @returns undefined if the record cannot be read */
  private read(stored: StoredInstance): ServiceInstance | undefined {
    try {
      const instance = toServiceInstance(stored);
      return this.resurrectedById.get(keyOf(instance))?.generation === instance.generation ? undefined : instance;
    } catch (error) {
      this.options.onBadRecord(stored.serviceName, stored.instanceId, (error as Error).message);
      return undefined;
    }
  }
}

function setInstance({ instances, claims }: MirroredService, instance: ServiceInstance, state: string): void {
  const { instanceId, generation } = instance;
  instances.set(instanceId, instance);
  const claim = claimOf(state);
  if (claim === generation) claims.delete(instanceId);
  else claims.set(instanceId, claim);
}

function forgetInstance({ instances, claims }: MirroredService, instanceId: string): void {
  instances.delete(instanceId);
  claims.delete(instanceId);
}

/** The data in a published registration. */
function storedIn(
  { name, instances }: MirroredService,
  [, id = '', record = '', state = '', lastHeartbeat, detail = '']: readonly string[],
): StoredInstance {
  const instanceId = instances.get(id)?.instanceId ?? ownText(id);
  return { serviceName: name, instanceId, record, state, lastHeartbeat, detail };
}

function countDetails({ instances }: MirroredService): number {
  let count = 0;
  for (const { health } of instances.values()) if (health) count += 1;
  return count;
}

/** Five strings per instance; sorted by the order of registration. */
function rowsIn(serviceName: string, rows: readonly string[]): StoredInstance[] {
  const stored: (StoredInstance & { order: number })[] = [];
  for (let index = 0; index < rows.length; index += 5) {
    const [instanceId = '', record = '', state = '', expiresAt, detail = ''] = rows.slice(index, index + 5);
    const [, ttlMs] = state.split(' ');
    const lastHeartbeat = String(Number(expiresAt) - Number(ttlMs));
    stored.push({ serviceName, instanceId, record, state, lastHeartbeat, detail, order: orderOf(state) });
  }
  return stored.sort((a, b) => a.order - b.order);
}

/** Since when, how many are overdue, of how many; empty if there is no hold. */
function toHold([since, overdue, total]: readonly string[]): ExpiryHold | null {
  return since === undefined ? null : { since: Number(since), overdue: Number(overdue), total: Number(total) };
}

/** Copies a substring, which would otherwise keep the whole string in memory. */
function ownText(part: string): string {
  return Buffer.from(part).toString();
}

/** How many are remembered: those of the last minutes, even while a large registry is rolled out. */
const MEMORY = 10_000;

/**
 * Leases that were removed. After a failover, the new server may not know of the removal and would bring them back
 * until they expire.
 */
class EndedLeases {
  private readonly generations = new Map<string, number>();

  add(key: InstanceKey, generation: number): void {
    const id = keyOf(key);
    // Moves the entry to the end, so that the oldest is forgotten first.
    this.generations.delete(id);
    this.generations.set(id, generation);
    if (this.generations.size > MEMORY) this.generations.delete(this.generations.keys().next().value!);
  }

  has(key: InstanceKey, generation: number): boolean {
    return this.generations.get(keyOf(key)) === generation;
  }
}
