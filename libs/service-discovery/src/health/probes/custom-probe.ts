import { type ServiceInstance } from '../../model/index.js';
import { failureReason } from './probe-failure.js';
import { type Probe, type ProbeResult } from './probe.js';

/**
 * A health check in code: returns whether the instance is healthy, or a detailed result. An error that it throws becomes the
 * reason of the failure. When `signal` aborts, the result is no longer awaited.
 *
 * @example
 * const redis: CustomCheck = async ({ host, port }, signal) => {
 *   const client = new Redis({ host, port, lazyConnect: true, retryStrategy: () => null });
 *   signal.addEventListener('abort', () => client.disconnect());
 *   try {
 *     await client.connect();
 *     return (await client.ping()) === 'PONG';
 *   } finally {
 *     client.disconnect();
 *   }
 * };
 */
export type CustomCheck = (
  instance: ServiceInstance,
  signal: AbortSignal,
) => boolean | ProbeResult | Promise<boolean | ProbeResult>;

const LONGEST_DATA = 65_536;
const NO_ANSWER = 'the custom check returned neither true nor false nor a result';

/** Runs the app's own check function. Never throws. */
export class CustomProbe implements Probe {
  constructor(private readonly ask: CustomCheck) {}

  async check(instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    try {
      const answer: unknown = await this.ask(instance, signal);
      if (typeof answer === 'boolean')
        return { passed: answer, reason: answer ? undefined : 'the custom check failed' };
      return isResult(answer) ? asKept(answer) : { passed: false, reason: NO_ANSWER };
    } catch (error) {
      return { passed: false, reason: failureReason(error, signal) };
    }
  }
}

/**
 * The result in a form that the registry can store and show: a store that cannot serialize it would never receive the
 * status.
 */
function asKept({ passed, skipped, reason, statusCode, data }: ProbeResult): ProbeResult {
  const said = {
    passed,
    ...(skipped && { skipped }),
    reason: reason === undefined ? undefined : failureReason(reason),
    statusCode,
  };
  if (data === undefined) return said;
  try {
    const text = JSON.stringify(data);
    if (text.length <= LONGEST_DATA) return { ...said, data: JSON.parse(text) as unknown };
  } catch {
    // Reported below together with data that is too large.
  }
  return {
    ...said,
    reason: said.reason ?? 'the data of the custom check is not JSON of at most 64 KiB and was not kept',
  };
}

function isResult(answer: unknown): answer is ProbeResult {
  return typeof answer === 'object' && answer !== null && typeof (answer as Partial<ProbeResult>).passed === 'boolean';
}
