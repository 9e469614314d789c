import {
  changeInstance,
  effectiveStatus,
  type HealthDetail,
  type HealthStatus,
  type Lease,
  type OperatorNote,
  type OperatorStatus,
  type ServiceInstance,
} from '../../model/index.js';

/** A status update: of the operator status, the health, or both. */
export interface StatusUpdate {
  readonly operator?: OperatorStatus;
  readonly note?: OperatorNote;
  readonly health?: { readonly status: HealthStatus; readonly detail?: HealthDetail };
}

interface Write {
  /** The generation in the store that the write applies to; 0 if none. A newer one belongs to another registration. */
  readonly base: number;
  /** Whether the store has taken the write, which is then kept only until the store shows it. */
  readonly acknowledged: boolean;
}

export interface OfflineRegistration extends Write, StatusUpdate {
  readonly kind: 'registration';
  /** The instance as shown to readers, with a provisional generation. */
  readonly instance: ServiceInstance;
  /** Whether this process renews the lease. */
  readonly keep: boolean;
  /** Whether it was sent without an answer and may have taken effect. */
  readonly inDoubt: boolean;
  /** When it was requested, in monotonic milliseconds. */
  readonly requestedAt: number;
  /** When the last heartbeat came, in monotonic milliseconds. */
  readonly aliveAt: number;
  /** The lease that the store returned for it. */
  readonly lease?: Lease;
}

export interface OfflineRemoval extends Write {
  readonly kind: 'removal';
  /** Whether the removed instance is being registered right now, under a generation not yet known. */
  readonly isRegistering: boolean;
}

export interface OfflineStatus extends Write, StatusUpdate {
  readonly kind: 'status';
  /** Whether this process keeps the instance registered, so that the status follows it to a new generation. */
  readonly isOwn: boolean;
}

/** The pending write to one instance. A later write replaces or extends an earlier one. */
export type OfflineWrite = OfflineRegistration | OfflineRemoval | OfflineStatus;

/** The instance as the store will show it after the update. */
export function withStatus(instance: ServiceInstance, { operator, note, health }: StatusUpdate): ServiceInstance {
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

/** What readers see while a write is pending. @param stored what the store shows; undefined if nothing */
export function shownOver(write: OfflineWrite, stored: ServiceInstance | undefined): ServiceInstance | undefined {
  switch (write.kind) {
    case 'registration':
      return write.instance;
    case 'removal':
      return stored && (write.isRegistering || stored.generation <= write.base) ? undefined : stored;
    case 'status':
      return stored?.generation === write.base ? withStatus(stored, write) : stored;
  }
}

/** Whether the store shows the acknowledged write or something newer, so that the write can be dropped. */
export function isShown(write: OfflineWrite, stored: ServiceInstance | undefined): boolean {
  if (!write.acknowledged) return false;
  switch (write.kind) {
    case 'registration':
      return (
        stored !== undefined &&
        (stored.generation > write.base || (stored.generation === write.base && matches(stored, write)))
      );
    case 'removal':
      return stored === undefined || stored.generation > write.base;
    case 'status':
      return stored?.generation !== write.base || matches(stored, write);
  }
}

/**
 * Whether another process has registered the id since. A registration at the same address may be our own whose answer
 * was lost.
 */
export function isSuperseded({ base, instance, inDoubt }: OfflineRegistration, stored: ServiceInstance): boolean {
  if (stored.generation <= base) return false;
  return !inDoubt || stored.host !== instance.host || stored.port !== instance.port;
}

function matches(stored: ServiceInstance, { operator, health }: StatusUpdate): boolean {
  return (
    (operator === undefined || stored.operatorStatus === operator) &&
    (health === undefined || stored.healthStatus === health.status)
  );
}
