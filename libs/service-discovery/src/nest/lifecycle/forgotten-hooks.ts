import { type Logger } from '@nestjs/common';
import { type Clock, type Timer } from '../../common/index.js';
import { type InstanceKey } from '../../model/index.js';

export interface ForgottenHooksDeps {
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  /** Source of signal listener counts. @default this process */
  readonly signals?: Pick<NodeJS.Process, 'listenerCount'>;
}

/** Signals that end a process: from Kubernetes, Docker and systemd, pm2, and terminals. */
const ENDING_SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** By then an app has installed its hooks, even after `listen()`. */
const GRACE_MS = 10_000;

/**
 * Warns once if an app registers but would not deregister, because no listener handles the signals that end it: Nest
 * installs shutdown hooks only on request, and the omission shows only in failed calls of others at each deployment.
 */
export class ForgottenHooks {
  private timer: Timer | undefined;

  constructor(private readonly deps: ForgottenHooksDeps) {}

  /** Checks some time after the first registration. */
  registered({ serviceName }: InstanceKey): void {
    this.timer ??= this.deps.clock.setTimer(() => this.look(serviceName), GRACE_MS, { keepAlive: false });
  }

  close(): void {
    this.timer?.cancel();
  }

  private look(serviceName: string): void {
    const { signals = process, logger } = this.deps;
    if (ENDING_SIGNALS.some((signal) => signals.listenerCount(signal) > 0)) return;
    logger.warn(
      `${serviceName} will not deregister at ${ENDING_SIGNALS.join(' or ')}, since nothing handles them: ` +
        'its callers would find out by failing. Call app.enableShutdownHooks()',
    );
  }
}
