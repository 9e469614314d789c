import { systemClock } from '../common/index.js';
import { applyChange, EMPTY_SNAPSHOT, type Change, type RegistrySnapshot, type WatchScope } from '../model/index.js';

const PATIENCE_MS = 5_000;

/** A store or a registry. */
export interface Watchable {
  watch(scope: WatchScope, signal: AbortSignal): AsyncIterable<Change>;
}

/**
 * Watches and records every change. Tests wait for the change that they expect, so they pass at once if delivery is
 * immediate, and need not know how long it takes otherwise.
 */
export class ChangeRecorder {
  readonly changes: Change[] = [];
  /** The state according to the changes so far. */
  snapshot: RegistrySnapshot = EMPTY_SNAPSHOT;
  /** Resolves when the stream ended or was stopped; rejects with its error. */
  readonly ended: Promise<void>;
  private readonly controller = new AbortController();
  private readonly checks = new Set<() => void>();
  private over = false;

  constructor(watchable: Watchable, scope: WatchScope = {}) {
    this.ended = this.record(watchable.watch(scope, this.controller.signal));
    this.ended.catch(() => undefined);
  }

  /** The first change from index `from` on that matches. @throws Error after 5 s, listing the recorded changes */
  async waitFor<C extends Change>(what: string, matches: (change: Change) => change is C, from?: number): Promise<C>;
  async waitFor(what: string, matches: (change: Change) => boolean, from?: number): Promise<Change>;
  async waitFor(what: string, matches: (change: Change) => boolean, from = 0): Promise<Change> {
    let found: Change | undefined;
    await this.until(what, () => {
      found = this.changes.slice(from).find(matches);
      return found !== undefined;
    });
    return found as unknown as Change;
  }

  /** Resolves once `holds` is true; checked after each change. @throws Error after 5 s, listing the recorded changes */
  until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        timer.cancel();
        this.checks.delete(check);
        if (error) reject(error);
        else resolve();
      };
      const check = (): void => {
        if (holds()) finish();
        else if (this.over) finish(new Error(`The stream ended before ${what}; it held ${this.describe()}`));
      };
      const timer = systemClock.setTimer(
        () => finish(new Error(`Waited ${PATIENCE_MS} ms for ${what}; the stream held ${this.describe()}`)),
        PATIENCE_MS,
      );
      this.checks.add(check);
      check();
    });
  }

  /** Aborts the watch and waits for its end. */
  async stop(): Promise<void> {
    this.controller.abort();
    await this.ended.catch(() => undefined);
  }

  private async record(stream: AsyncIterable<Change>): Promise<void> {
    try {
      for await (const change of stream) {
        this.changes.push(change);
        this.snapshot = applyChange(this.snapshot, change, 0);
        this.recheck();
      }
    } finally {
      this.over = true;
      this.recheck();
    }
  }

  private recheck(): void {
    for (const check of [...this.checks]) check();
  }

  private describe(): string {
    return this.changes.map(describeChange).join(', ') || 'nothing';
  }
}

function describeChange(change: Change): string {
  switch (change.type) {
    case 'reset':
      return `reset(${change.instances.map((instance) => instance.instanceId).join(' ')})`;
    case 'put':
      return `put(${change.instance.instanceId}#${change.instance.generation} ${change.instance.status})`;
    case 'remove':
      return `remove(${change.key.instanceId} ${change.reason})`;
    case 'renewed':
      return `renewed(${change.keys.map((key) => key.instanceId).join(' ')})`;
    case 'split':
      return `split(${change.serviceName} ${JSON.stringify(change.split)})`;
    case 'hold':
      return `hold(${change.serviceName} ${change.hold ? `${change.hold.overdue} of ${change.hold.total}` : 'over'})`;
  }
}
