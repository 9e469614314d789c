import { type Logger } from '@nestjs/common';
import { type Clock, type Timer } from '../../common/index.js';
import { type InstanceKey } from '../../model/index.js';

export interface ForgottenHooksDeps {
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  /** Who knows whether anybody listens to a signal. @default this process */
  readonly signals?: Pick<NodeJS.Process, 'listenerCount'>;
}

/** What a process is asked to end by: by Kubernetes, Docker and systemd, by pm2 and at a terminal. */
const ENDING_SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** After which an app has said what it has to say at its start, were it after `listen()`. */
const GRACE_MS = 10_000;

/**
 * Warns once of an app that registers and would not deregister, as nobody listens to the signals that end it: Nest does so only
 * where it is told to, and what is forgotten shows only in failed calls of others, at each deployment.
 */
export class ForgottenHooks {
  private timer: Timer | undefined;

  constructor(private readonly deps: ForgottenHooksDeps) {}

  /** Looks at it a while after the first registration. */
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
      `${serviceName} will not deregister at ${ENDING_SIGNALS.join(' or ')}, since nobody listens to them: ` +
        'its callers would find out by failing. Call app.enableShutdownHooks()',
    );
  }
}
