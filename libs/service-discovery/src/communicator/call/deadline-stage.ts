import { DeadlineExceededError } from '../../common/index.js';
import { CancelScope } from '../../resilience/index.js';
import { type Call } from './call.js';
import { type CallStage } from './stage.js';

/** Limits the whole call. Outside of everything that waits or repeats: it bounds waits and attempts together. */
export class DeadlineStage implements CallStage {
  constructor(private readonly next: CallStage) {}

  async run<T>(call: Call<T>): Promise<T> {
    const { timeoutMs } = call.times;
    const error = (): DeadlineExceededError =>
      new DeadlineExceededError(timeoutMs, {
        service: call.service,
        attempts: call.attempts,
        cause: call.last?.error,
      });
    const scope = new CancelScope(call.deps.clock, call.request.signal, { ms: timeoutMs, error });
    call.scope = scope;
    try {
      return await this.next.run(call);
    } finally {
      scope.dispose();
    }
  }
}
