import { rangeOf } from '../balancing/index.js';
import { type RegistryClient, type RolloutRequest, type RolloutView, type SplitView } from '../client/index.js';
import { durationText, ServiceDiscoveryError } from '../common/index.js';
import { type Finding } from './look.js';
import { COMMAND, type Output } from './output.js';

/** Shows how the calls to a service are split. */
export async function showSplit(registry: RegistryClient, out: Output, service: string): Promise<void> {
  const split = await registry.split(service);
  out.show(split, () => {
    describe(out, split);
    if (split.via && split.parts.length === 0)
      out.line(
        'No attempts are known since that was set. Callers that have registered an instance report theirs every 10 s.',
      );
  });
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
    if (via && via.share !== share) out.line(`Undo: ${COMMAND} share ${service} ${via.share}`);
  });
}

/** Begins a rollout. */
export async function startRollout(
  registry: RegistryClient,
  out: Output,
  service: string,
  rollout: RolloutRequest,
  reason: string | undefined,
  stderr: NodeJS.WriteStream,
): Promise<void> {
  const split = await registry.startRollout(service, rollout, { reason });
  out.show(split, () => {
    describe(out, split);
    out.line(`Undo: ${COMMAND} rollout abort ${service}`);
  });
  const versions = await versionsOf(registry, service);
  if (versions.some((version) => rangeOf(rollout.version).has(version))) return;
  // No error: a new version that starts after its rollout never has more than the share of the first step.
  stderr.write(
    `No instance of ${service} has a version in ${rollout.version} yet (registered: ${versions.join(', ') || 'none'}). ` +
      'If the range is right, start one: it gets its share once it has registered.\n',
  );
}

async function versionsOf(registry: RegistryClient, service: string): Promise<readonly string[]> {
  const { instances } = await registry.service(service).catch((error: unknown) => {
    // One that is known only by its gateway.
    if (error instanceof ServiceDiscoveryError && error.code === 'SERVICE_NOT_FOUND') return { instances: [] };
    throw error;
  });
  return [...new Set(instances.flatMap(({ version }) => version ?? []))].sort();
}

/** Shows how a rollout stands: 1 if it was rolled back. */
export async function showRollout(registry: RegistryClient, out: Output, service: string): Promise<Finding> {
  const split = await registry.split(service);
  out.show(split, () => describeRollout(out, split, `There is no rollout of ${service}`));
  return split.rollout?.state === 'rolled_back' ? 1 : 0;
}

/** Ends a rollout, or forgets one that is over. */
export async function endRollout(
  registry: RegistryClient,
  out: Output,
  service: string,
  reason: string | undefined,
): Promise<void> {
  const split = await registry.endRollout(service, { reason });
  out.show(split, () => describeRollout(out, split, `The rollout of ${service} is forgotten`));
}

/** @param none says that there is none */
function describeRollout(out: Output, split: SplitView, none: string): void {
  if (split.rollout) describe(out, split);
  else out.line(`${none}: all of its versions take calls alike`);
}

function describe(out: Output, { service_name: service, via, rollout, parts }: SplitView): void {
  if (via) out.line(`${via.share} % of the calls to ${service} go through ${via.url}, the others directly`);
  else if (!rollout) out.line(`All calls to ${service} go directly`);
  if (rollout) out.line(sentenceOf(service, rollout));
  if (parts.length === 0) return;
  out.line('Attempts since that was set:');
  out.table(
    ['WAY', 'ATTEMPTS', 'SHARE', 'ERRORS', 'P99'],
    parts.map(({ part, attempts, share, error_rate: errorRate, p99_ms: p99 }) => [
      part,
      String(attempts),
      percent(share),
      percent(errorRate),
      p99 === null ? '' : durationText(p99),
    ]),
  );
}

function sentenceOf(service: string, rollout: RolloutView): string {
  const { version, state, share, steps, step_ms: stepMs, since, reason, driver } = rollout;
  const now = `${share} % of the calls go there since ${since}`;
  if (state === 'running') {
    const plan = `steps of ${steps.join(', ')} %, each ${durationText(stepMs)} or longer`;
    return `The rollout of ${service} to ${version} is running: ${now} (${plan}; moved by ${driver ?? 'no process yet'})`;
  }
  const how = { completed: 'is complete', rolled_back: 'was rolled back', aborted: 'was aborted' }[state];
  return `The rollout of ${service} to ${version} ${how}: ${now}${reason === null ? '' : ` (${reason})`}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
