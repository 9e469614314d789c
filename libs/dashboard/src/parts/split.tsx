import { counted, duration, ms, percent, words } from '../format.js';
import { mayOperate, useLive } from '../live.js';
import { about, type Rollout, type Split } from '../model.js';
import { type Action, ActionButton } from './action-dialog.js';
import { Section, Since, Table } from './basics.js';

/** How the calls to a service are split, where they are: through a gateway, and between versions. */
export function SplitSection({ name }: { readonly name: string }) {
  const { data, refresh } = useLive<Split>(['services', name, 'split'], {}, { concerns: about(name), everyMs: 5_000 });
  if (!data || (data.via === null && data.rollout === null)) return null;
  const { via, rollout } = data;
  return (
    <Section title="How its calls are split" note="the same for all callers">
      {rollout && <RolloutOf name={name} rollout={rollout} onDone={refresh} />}
      {via && (
        <p class="split-via">
          <strong>{shareText(via.share)}</strong> of the calls go through the gateway at <code>{via.url}</code>, the
          others directly to instances.
        </p>
      )}
      <PartTable split={data} />
    </Section>
  );
}

/** @param share in per cent */
const shareText = (share: number): string => `${Number(share.toFixed(1))}%`;

const ROLLOUT_STATUS = {
  running: 'draining',
  completed: 'healthy',
  rolled_back: 'unhealthy',
  aborted: 'degraded',
} as const;

interface RolloutProps {
  readonly name: string;
  readonly rollout: Rollout;
  readonly onDone: () => void;
}

function RolloutOf({ name, rollout, onDone }: RolloutProps) {
  const { version, state, share, since, reason } = rollout;
  return (
    <>
      <div class="rollout">
        <span class={`badge is-word is-${ROLLOUT_STATUS[state]}`}>{words(state)}</span>
        <p>
          Version <span class="strong">{version}</span> has been getting <strong>{shareText(share)}</strong> of the
          calls <Since at={since} />
        </p>
        {mayOperate() && <ActionButton action={endAction(name, rollout)} onDone={onDone} />}
      </div>
      {reason !== null && <p class="rollout-reason">Why: {reason}</p>}
      {state === 'running' && <Plan rollout={rollout} />}
    </>
  );
}

function endAction(name: string, { version, state }: Rollout): Action {
  const common = { path: ['services', name, 'rollout', 'end'], body: {} };
  if (state === 'running') {
    return {
      ...common,
      label: 'Roll back',
      question: `Roll ${name} back from version ${version}?`,
      effect: `All callers send their calls to the other versions at once.`,
      done: `Version ${version} of ${name} gets no more calls.`,
      isDangerous: true,
    };
  }
  return {
    ...common,
    label: 'Forget',
    question: `Forget the rollout of ${name} to version ${version}?`,
    effect: `Calls go to instances of all versions again, as without a rollout.`,
    done: `The rollout of ${name} to version ${version} is forgotten.`,
    isDangerous: state !== 'completed',
  };
}

/** The steps of a running rollout, and what moves it on or back. */
function Plan({ rollout }: { readonly rollout: Rollout }) {
  const { steps, share, step_ms: stepMs, min_attempts: attempts, driver } = rollout;
  const { max_error_rate: errorRate, max_p99_ms: p99 } = rollout;
  return (
    <>
      <ol class="rollout-steps" aria-label="Steps">
        {steps.map((step) => (
          <li key={step} aria-current={step === share ? 'step' : undefined}>
            <span class="chip">{shareText(step)}</span>
          </li>
        ))}
      </ol>
      <p class="muted">
        A step takes {duration(stepMs / 1_000)} and {counted(attempts, 'attempt')} at least. Calls go back to the other
        versions above {percent(errorRate)} errors{p99 !== null && ` or a p99 of ${ms(p99)}`}.{' '}
        {driver === null ? 'No process moves it yet.' : `${hostAndPid(driver)} moves it.`}
      </p>
    </>
  );
}

/** The name of a process, without what makes it unique. */
const hostAndPid = (driver: string): string => driver.split(' ', 1)[0] ?? driver;

const PART_COLUMNS = [
  { title: 'Part' },
  { title: 'Attempts', isNumber: true },
  { title: 'Share', isNumber: true },
  { title: 'Errors', isNumber: true },
  { title: 'p99', isNumber: true },
];

function PartTable({ split: { rollout, parts } }: { readonly split: Split }) {
  if (parts.length === 0) return <p class="muted">No attempt has been made since that was set.</p>;
  const names = {
    via: 'through the gateway',
    direct: 'directly',
    canary: `version ${rollout?.version ?? ''}`,
    stable: 'other versions',
  };
  return (
    <Table label="Attempts by part" caption="Attempts since that was set" columns={PART_COLUMNS}>
      {parts.map(({ part, attempts, share, errors, error_rate: errorRate, p99_ms: p99 }) => (
        <tr key={part}>
          <th scope="row">{names[part]}</th>
          <td class="is-number">{attempts.toLocaleString()}</td>
          <td class="is-number">{percent(share)}</td>
          <td class={`is-number ${errors > 0 ? 'is-bad' : ''}`}>{percent(errorRate)}</td>
          <td class="is-number">{ms(p99)}</td>
        </tr>
      ))}
    </Table>
  );
}
