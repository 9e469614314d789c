import { isDeepStrictEqual } from 'node:util';
import { type Clock, counted, durationText, type Random } from '../common/index.js';
import { type EventSink, type Rollout, rolloutShare } from '../model/index.js';
import { Rounds } from './rounds.js';
import { type ServiceRegistry } from './service-registry.js';

/** How often the metrics of a rollout are evaluated. */
const ROUND_MS = 1_000;
/** Interval of a driver's heartbeats. */
const BEAT_MS = 5_000;
/** A driver without a heartbeat for this long, plus up to half of it at random, is replaced. */
const TAKEOVER_MS = 15_000;

/** Outcomes of the attempts at the new version since the step began. */
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
  /** The unique id of this process. */
  readonly tag: string;
  readonly figuresOf: (service: string) => Promise<RolloutFigures>;
}

/**
 * Advances rollouts, or rolls them back. Every process that shares a registry has a driver; one of them acts for each
 * rollout: the process whose tag the rollout carries, renewed by heartbeats. If the heartbeats stop, by the monotonic clock of
 * the observer, another process takes over. All changes are compare-and-set, so of two drivers that act, only one succeeds.
 */
export class RolloutDriver {
  private readonly rounds: Rounds;
  /** By rollout: since when it has not changed, in monotonic time, and how long this process waits before it takes over. */
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

  /** A failure for one rollout is retried in the next round. */
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
    // Jitter, so that the processes of a fleet do not all write at the same time.
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

  /** @returns whether the rollout was replaced: it was still the expected one */
  private async replace(service: string, rollout: Rollout, next: Rollout): Promise<boolean> {
    const { rollout: now } = await this.deps.registry.changeSplit(service, (known) =>
      isDeepStrictEqual(known?.rollout, rollout) ? { ...known, rollout: next } : (known ?? {}),
    );
    return isDeepStrictEqual(now, next);
  }
}

/** @returns undefined if it does not change */
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
  // If the version fails, its circuits open before there are enough attempts to decide, so a count of failures that exceeds
  // the limit decides, too.
  if (errors / Math.max(attempts, minAttempts) > maxErrorRate) {
    return `${errors} of ${counted(attempts, 'attempt')} failed, more than ${percent(maxErrorRate)}`;
  }
  if (maxP99Ms === undefined || p99 === null || attempts < minAttempts || p99 <= maxP99Ms) return undefined;
  return `the p99 of ${counted(attempts, 'attempt')} is ${durationText(p99)}, more than ${durationText(maxP99Ms)}`;
}

function percent(rate: number): string {
  return `${Number((rate * 100).toPrecision(3))} %`;
}
