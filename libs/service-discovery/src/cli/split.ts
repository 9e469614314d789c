import { type RegistryClient, type SplitView } from '../client/index.js';
import { type Output } from './output.js';

/** Shows how the calls to a service are split. */
export async function showSplit(registry: RegistryClient, out: Output, service: string): Promise<void> {
  const split = await registry.split(service);
  out.show(split, () => describe(out, split));
}

/** Sets the share of the calls that goes through the gateway. */
export async function setShare(
  registry: RegistryClient,
  out: Output,
  service: string,
  share: number,
  reason: string | undefined,
): Promise<void> {
  const { via } = await registry.split(service);
  const split = await registry.setShare(service, share, { reason });
  out.show(split, () => {
    describe(out, split);
    if (via && via.share !== share) out.line(`Undo: nest-service-discovery share ${service} ${via.share}`);
  });
}

function describe(out: Output, { service_name: service, via, parts }: SplitView): void {
  if (via) out.line(`${via.share} % of the calls to ${service} go through ${via.url}, the others directly`);
  else out.line(`All calls to ${service} go directly`);
  if (parts.length === 0) return;
  out.line('Attempts since that was set:');
  out.table(
    ['WAY', 'ATTEMPTS', 'SHARE', 'ERRORS', 'P99'],
    parts.map(({ part, attempts, share, error_rate: errorRate, p99_ms: p99 }) => [
      part,
      String(attempts),
      percent(share),
      percent(errorRate),
      p99 === null ? '' : `${p99} ms`,
    ]),
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
