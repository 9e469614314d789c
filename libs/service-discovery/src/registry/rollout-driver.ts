import { isDeepStrictEqual } from 'node:util';
import { type Clock, counted, durationText, type Random } from '../common/index.js';
import { type EventSink, type Rollout, rolloutShare } from '../model/index.js';
import { Rounds } from './rounds.js';
import { type ServiceRegistry } from './service-registry.js';

/** How often the figures of a rollout are looked at. */
const ROUND_MS = 1_000;
/** How often a driver shows that it lives. */
const BEAT_MS = 5_000;
/** A driver that has not done so for this long, or half as long again, is replaced. */
const TAKEOVER_MS = 15_000;

/** What attempts at the new version came to since the step began. */
export interface RolloutFigures {
  readonly attempts: number;
  readonly errors: number;
  /** In milliseconds; null: no attempt. */
  readonly p99: number | null;
}

export interface RolloutDriverDeps {
  readonly registry: Pick<ServiceRegistry, 'snapshot' | 'changeSplit' | 'onChange'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventSink;
  /** A text that no other process has. */
  readonly tag: string;
  readonly figuresOf: (service: string) => Promise<RolloutFigures>;
}

/**
 * Moves rollouts on, or back. Every process that shares a registry has one, and for each rollout one of them acts: the one
 * whose tag is in it. That process writes a sign of life into the rollout; where it stays the same for too long, by
 * the clock of each process that looks at it, another process takes over. All changes are compare-and-set, so where two
 * processes act, one does.
 */
export class RolloutDriver {
  private readonly rounds: Rounds;
  /** Since when this process has seen a rollout as it is, in monotonic time, and how long it waits before it takes over. */
  private readonly seen = new Map<
    string,
    { readonly rollout: Rollout; readonly at: number; readonly patienceMs: number }
  >();
  private stopListening: (() => void) | undefined;

  constructor(private readonly deps: RolloutDriverDeps) {
    const delayMs = (): number | undefined => (this.running().length > 0 ? ROUND_MS : undefined);
    this.rounds = new Rounds({ clock: deps.clock, run: () => this.lookAtAll(), delayMs });
  }

  start(): void {
    this.stopListening = this.deps.registry.onChange((_snapshot, _previous, change) => {
      if (change === null || change.type === 'split' || change.type === 'reset') this.rounds.schedule();
    });
    this.rounds.schedule();
  }

  async close(): Promise<void> {
    this.stopListening?.();
    this.rounds.stop();
    await this.rounds.running;
  }

  private running(): (readonly [service: string, rollout: Rollout])[] {
    return [...this.deps.registry.snapshot.splits].flatMap(([service, { rollout }]) =>
      rollout?.state === 'running' ? [[service, rollout] as const] : [],
    );
  }

  /** What fails for one rollout is tried again in the next round. */
  private async lookAtAll(): Promise<void> {
    const running = this.running();
    for (const service of this.seen.keys()) if (!running.some(([name]) => name === service)) this.seen.delete(service);
    await Promise.allSettled(running.map(([service, rollout]) => this.lookAt(service, rollout)));
  }

  private async lookAt(service: string, rollout: Rollout): Promise<void> {
    const { clock, tag, figuresOf } = this.deps;
    const unchangedMs = this.unchangedMs(service, rollout);
    if (rollout.driver !== tag) {
      if (unchangedMs >= this.seen.get(service)!.patienceMs) await this.takeOver(service, rollout);
      return;
    }
    const next = nextOf(rollout, await figuresOf(service), clock.epoch());
    if (next) await this.move(service, rollout, next);
    else if (unchangedMs >= BEAT_MS) await this.replace(service, rollout, { ...rollout, beat: rollout.beat + 1 });
  }

  private unchangedMs(service: string, rollout: Rollout): number {
    const { clock, random } = this.deps;
    const known = this.seen.get(service);
    if (known && (known.rollout === rollout || isDeepStrictEqual(known.rollout, rollout)))
      return clock.now() - known.at;
    // At random, so that not all processes of a fleet write at once.
    const patienceMs = rollout.driver === undefined ? ROUND_MS * random() : TAKEOVER_MS * (1 + random() / 2);
    this.seen.set(service, { rollout, at: clock.now(), patienceMs });
    return 0;
  }

  private async takeOver(service: string, rollout: Rollout): Promise<void> {
    const { tag, events } = this.deps;
    const own = { ...rollout, driver: tag, beat: rollout.beat + 1 };
    if (!(await this.replace(service, rollout, own)) || rollout.driver === undefined) return;
    events.emit('rollout.taken_over', { service, version: rollout.version, from: rollout.driver });
  }

  private async move(service: string, rollout: Rollout, next: Rollout): Promise<void> {
    if (!(await this.replace(service, rollout, next))) return;
    const { version, state, reason } = next;
    this.deps.events.emit('rollout.moved', { service, version, state, share: rolloutShare(next), reason });
  }

  /** @returns whether the rollout was as expected, and is replaced */
  private async replace(service: string, rollout: Rollout, next: Rollout): Promise<boolean> {
    const { rollout: now } = await this.deps.registry.changeSplit(service, (known) =>
      isDeepStrictEqual(known?.rollout, rollout) ? { ...known, rollout: next } : (known ?? {}),
    );
    return isDeepStrictEqual(now, next);
  }
}

/** @returns undefined: it stays as it is */
function nextOf(rollout: Rollout, figures: RolloutFigures, now: number): Rollout | undefined {
  const { steps, step, stepMs, since, minAttempts } = rollout;
  const beat = rollout.beat + 1;
  const fault = faultOf(rollout, figures);
  if (fault !== undefined) return { ...rollout, state: 'rolled_back', since: now, reason: fault, beat };
  if (figures.attempts < minAttempts || now - since < stepMs) return undefined;
  if (step === steps.length - 1) return { ...rollout, state: 'completed', since: now, beat };
  return { ...rollout, step: step + 1, since: now, beat };
}

function faultOf(
  { maxErrorRate, maxP99Ms, minAttempts }: Rollout,
  { attempts, errors, p99 }: RolloutFigures,
): string | undefined {
  // Circuits open soon where a version fails, so that there may never be enough attempts: failures that are too many for those do.
  if (errors / Math.max(attempts, minAttempts) > maxErrorRate) {
    return `${errors} of ${counted(attempts, 'attempt')} failed, more than ${percent(maxErrorRate)}`;
  }
  if (maxP99Ms === undefined || p99 === null || attempts < minAttempts || p99 <= maxP99Ms) return undefined;
  return `the p99 of ${counted(attempts, 'attempt')} is ${durationText(p99)}, more than ${durationText(maxP99Ms)}`;
}

function percent(rate: number): string {
  return `${Number((rate * 100).toPrecision(3))} %`;
}
