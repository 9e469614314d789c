import {
  changeInstance,
  effectiveStatus,
  type HealthDetail,
  type HealthStatus,
  type Lease,
  type OperatorNote,
  type OperatorStatus,
  type ServiceInstance,
} from '../model/index.js';

/** What was said about an instance: the operator's word, the health, or both. */
export interface Words {
  readonly operator?: OperatorStatus;
  /** What was said with it. */
  readonly note?: OperatorNote;
  readonly health?: { readonly status: HealthStatus; readonly detail?: HealthDetail };
}

interface Write {
  /** The generation in the store that the change is about; 0: none. What is newer belongs to somebody else. */
  readonly base: number;
  /** Whether the store has taken the change: then it is only kept until the store shows it. */
  readonly told: boolean;
}

export interface OfflineRegistration extends Write, Words {
  readonly kind: 'registration';
  /** What is shown, under a provisional generation. */
  readonly instance: ServiceInstance;
  /** Whether this process renews the lease. */
  readonly keep: boolean;
  /** Whether it was sent and not answered: then it may have taken effect all the same. */
  readonly inDoubt: boolean;
  /** Monotonic milliseconds at which it was asked for. */
  readonly askedAt: number;
  /** Monotonic milliseconds of the last heartbeat. */
  readonly aliveAt: number;
  /** What the store gave for it. */
  readonly lease?: Lease;
}

export interface OfflineRemoval extends Write {
  readonly kind: 'removal';
  /** Whether what was removed is being registered just now, under a generation that is yet to be known. */
  readonly blind: boolean;
}

export interface OfflineStatus extends Write, Words {
  readonly kind: 'status';
  /** Whether the instance is one that this process keeps registered, under another generation if need be. */
  readonly isOwn: boolean;
}

/** A change to one instance that was made while the store was away; the latest, as far as it replaces earlier ones. */
export type OfflineWrite = OfflineRegistration | OfflineRemoval | OfflineStatus;

/** An instance as the store would show it after it was told. */
export function withWords(instance: ServiceInstance, { operator, note, health }: Words): ServiceInstance {
  const operatorStatus = operator ?? instance.operatorStatus;
  const healthStatus = health?.status ?? instance.healthStatus;
  const keptDetail = healthStatus === instance.healthStatus ? instance.health : undefined;
  return changeInstance(instance, {
    operatorStatus,
    operatorNote: operator === undefined ? instance.operatorNote : note,
    healthStatus,
    status: effectiveStatus(operatorStatus, healthStatus),
    health: health?.detail ?? keptDetail,
  });
}

/** What readers are to see while a change waits. @param stored what the store shows, undefined: nothing */
export function shownOver(write: OfflineWrite, stored: ServiceInstance | undefined): ServiceInstance | undefined {
  switch (write.kind) {
    case 'registration':
      return write.instance;
    case 'removal':
      return stored && (write.blind || stored.generation <= write.base) ? undefined : stored;
    case 'status':
      return stored?.generation === write.base ? withWords(stored, write) : stored;
  }
}

/** Whether the store shows what it was told, or something newer: then the change has served its purpose. */
export function isShown(write: OfflineWrite, stored: ServiceInstance | undefined): boolean {
  if (!write.told) return false;
  switch (write.kind) {
    case 'registration':
      return (
        stored !== undefined &&
        (stored.generation > write.base || (stored.generation === write.base && says(stored, write)))
      );
    case 'removal':
      return stored === undefined || stored.generation > write.base;
    case 'status':
      return stored?.generation !== write.base || says(stored, write);
  }
}

/**
 * Whether somebody else took the id over since. What stands at the same address may be a registration of ours that went
 * unanswered.
 */
export function isSuperseded({ base, instance, inDoubt }: OfflineRegistration, stored: ServiceInstance): boolean {
  if (stored.generation <= base) return false;
  return !inDoubt || stored.host !== instance.host || stored.port !== instance.port;
}

function says(stored: ServiceInstance, { operator, health }: Words): boolean {
  return (
    (operator === undefined || stored.operatorStatus === operator) &&
    (health === undefined || stored.healthStatus === health.status)
  );
}
