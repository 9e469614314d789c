import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** As in a pod's manifest, in milliseconds. */
export interface ProbeSpec {
  readonly path: string;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly failureThreshold: number;
}

export interface PodSpec {
  readonly url: string;
  readonly liveness: ProbeSpec;
  readonly readiness: ProbeSpec;
  readonly terminationGracePeriodMs: number;
}

/** Statuses of a probe's answers, 0 for a timeout. */
type Answers = number[];

/**
 * Treats a process like a kubelet treats a container: probes it each period over new connections, counts 200 to 399 as
 * success, and counts consecutive failures. Ends it with SIGTERM, and SIGKILL after the grace period, during which only
 * readiness is probed.
 */
export class Kubelet {
  readonly livenessAnswers: Answers = [];
  readonly readinessAnswers: Answers = [];
  /** Whether the endpoints of its service contain the pod. */
  isReady = false;
  /** How often the container would have been restarted. */
  restarts = 0;
  wasKilled = false;
  private readonly stopProbes = new AbortController();
  private readonly stopLiveness = new AbortController();
  private readonly changes = new Set<() => void>();

  constructor(
    private readonly child: ChildProcess,
    private readonly pod: PodSpec,
  ) {
    let failures = 0;
    void this.probe(pod.liveness, this.stopLiveness.signal, (status) => {
      this.livenessAnswers.push(status);
      failures = isSuccess(status) ? 0 : failures + 1;
      if (failures === pod.liveness.failureThreshold) this.restarts++;
    });
    let unready = 0;
    void this.probe(pod.readiness, this.stopProbes.signal, (status) => {
      this.readinessAnswers.push(status);
      unready = isSuccess(status) ? 0 : unready + 1;
      if (unready === 0) this.isReady = true;
      if (unready >= pod.readiness.failureThreshold) this.isReady = false;
    });
  }

  /** Resolves when a condition holds, now or after a probe. */
  until(holds: (kubelet: this) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds(this)) return;
        this.changes.delete(look);
        resolve();
      };
      this.changes.add(look);
      look();
    });
  }

  /** Deletes the pod; resolves with how its process exited. */
  async terminate(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const ended = once(this.child, 'exit');
    this.stopLiveness.abort();
    this.child.kill('SIGTERM');
    const over = new AbortController();
    const grace = delay(this.pod.terminationGracePeriodMs, undefined, { signal: over.signal }).then(
      () => {
        this.wasKilled = true;
        this.child.kill('SIGKILL');
      },
      () => undefined,
    );
    const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
    over.abort();
    await grace;
    this.close();
    return { code, signal };
  }

  close(): void {
    this.stopProbes.abort();
    this.stopLiveness.abort();
  }

  private async probe(spec: ProbeSpec, signal: AbortSignal, answered: (status: number) => void): Promise<void> {
    while (!signal.aborted) {
      const status = await ask(this.pod.url + spec.path, spec.timeoutMs);
      if (signal.aborted) return;
      answered(status);
      for (const look of [...this.changes]) look();
      await delay(spec.periodMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 400;
}

function ask(url: string, timeoutMs: number): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'user-agent': 'kube-probe/1.33', accept: '*/*', connection: 'close' };
    const request = get(url, { agent: false, headers, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      resolve(response.statusCode ?? 0);
      response.resume().on('error', () => undefined);
    });
    request.on('error', () => resolve(0));
  });
}
