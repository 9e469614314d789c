import { type RegistryTroubleKind } from '../../model/index.js';

/** Something in Redis that was skipped, or something that was missed and mended. */
export interface RedisTrouble {
  readonly kind: RegistryTroubleKind;
  /** Undefined where it is about the namespace. */
  readonly serviceName?: string;
  readonly instanceId?: string;
  readonly reason: string;
}

export type RedisTroubleCounts = Readonly<Record<RegistryTroubleKind, number>>;

/** How many faults are remembered, so that they are told of once. */
const MEMORY = 1_000;

/** Counts troubles, and tells of a fault that stays once, though it is met at every sweep. */
export class TroubleLog {
  private readonly known = new Set<string>();
  private readonly sums = {
    bad_record: 0,
    unreadable_service: 0,
    unreadable_namespace: 0,
    gap: 0,
    correction: 0,
    restored: 0,
    evictable: 0,
  };

  constructor(private readonly tell: (trouble: RedisTrouble) => void = () => undefined) {}

  get counts(): RedisTroubleCounts {
    return { ...this.sums };
  }

  note(trouble: RedisTrouble): void {
    if (!this.isNews(trouble)) return;
    this.sums[trouble.kind] += 1;
    this.tell(trouble);
  }

  private isNews({ kind, serviceName, instanceId, reason }: RedisTrouble): boolean {
    if (kind === 'gap' || kind === 'correction' || kind === 'restored') return true;
    // Each script that meets a key of another type says it in other words.
    const about = kind === 'unreadable_service' ? '' : reason;
    const fault = JSON.stringify([kind, serviceName, instanceId, about]);
    if (this.known.has(fault)) return false;
    if (this.known.size >= MEMORY) this.known.clear();
    this.known.add(fault);
    return true;
  }
}
