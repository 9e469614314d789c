import { type ServiceInstance } from '../../model/index.js';
import { failureReason } from './probe-failure.js';
import { type Probe, type ProbeResult } from './probe.js';

/**
 * A check of one's own: whether the instance is healthy, or more about it. What it throws is the reason of a failure. When
 * `signal` aborts, nobody waits any more.
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

/** Asks a function of the app. Never throws. */
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

/** As the registry can keep it, and show it to everybody: a store that cannot write it would never hear of the status. */
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
    // Said below, together with what is too long.
  }
  return {
    ...said,
    reason: said.reason ?? 'the data of the custom check is no JSON of at most 64 KiB and was not kept',
  };
}

function isResult(answer: unknown): answer is ProbeResult {
  return typeof answer === 'object' && answer !== null && typeof (answer as Partial<ProbeResult>).passed === 'boolean';
}
