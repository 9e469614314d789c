import { counted, duration, fullTime, ms, percent, words } from '../format.js';
import { useLive } from '../live.js';
import {
  about,
  type Calls,
  type Ejection,
  type Instance,
  type InstanceCalls,
  type Reason,
  type Transition,
} from '../model.js';
import { CircuitActions, InstanceActions } from '../parts/actions.js';
import { Ago, Chips, Empty, Facts, Heading, Loaded, Section, Since, StatusBadge, StatusIcon } from '../parts/basics.js';
import { useExplanation } from '../parts/explain.js';
import { sourceWords } from '../parts/instance-list.js';
import { Timeline } from '../parts/timeline.js';
import { href, toService } from '../router.js';
import { CircuitState, useCircuits, useService } from './service.js';

interface InstanceProps {
  readonly service: string;
  readonly id: string;
}

export function InstanceView({ service, id }: InstanceProps) {
  const answer = useService(service);
  const instance = answer.data?.instances.find(({ instance_id: own }) => own === id);
  return (
    <>
      <Heading title={id}>
        {instance && <StatusBadge status={instance.status} />}
        <nav class="crumbs" aria-label="Where this is">
          <a href={href(['services'])}>Services</a>
          <a href={toService(service)}>{service}</a>
        </nav>
        {instance && <InstanceActions instance={instance} onDone={answer.refresh} />}
      </Heading>
      <Loaded answer={answer}>
        {() =>
          instance ? (
            <InstanceOf instance={instance} />
          ) : (
            <Empty title="This instance is not registered">
              What happened to it, if it ever was, stands in <a href={href(['journal'], { service })}>the journal</a>.
            </Empty>
          )
        }
      </Loaded>
      {!instance && <HistorySection service={service} id={id} />}
    </>
  );
}

function InstanceOf({ instance }: { readonly instance: Instance }) {
  return (
    <div class="columns is-even">
      <div>
        <Section title="Why it has this status" note="the first one decides">
          <ReasonList reasons={instance.reasons} />
        </Section>
        <HistorySection service={instance.service_name} id={instance.instance_id} />
        <CircuitSection instance={instance} />
        <DataSection title="Answer of its health check" value={instance.health?.data} />
      </div>
      <div>
        <CallsSection service={instance.service_name} id={instance.instance_id} />
        <DetailSection instance={instance} />
        <DataSection title="Metadata" value={instance.metadata} />
      </div>
    </div>
  );
}

function ReasonList({ reasons }: { readonly reasons: readonly Reason[] }) {
  if (reasons.length === 0)
    return (
      <Empty title="No source has said anything yet">It counts as unknown, and gets calls after healthy ones.</Empty>
    );
  return (
    <ol class="reasons">
      {reasons.map(({ source, status, reason, since, by }) => (
        <li key={source}>
          <StatusIcon status={status ?? 'unknown'} />
          <div>
            <p>
              <span class="strong">{sourceWords(source)}:</span> {status === null ? 'nothing' : words(status)}
              {since !== null && (
                <span class="muted">
                  {' '}
                  <Since at={since} />
                </span>
              )}
            </p>
            {(reason !== null || by !== undefined) && (
              <p class="muted">
                {reason}
                {by !== undefined && ` (by ${by})`}
              </p>
            )}
          </div>
        </li>
      ))}
    </ol>
  );
}

function CircuitSection({ instance }: { readonly instance: Instance }) {
  const { service_name: service, instance_id: id } = instance;
  const circuits = useCircuits(service);
  const ejections = useLive<{ ejections: readonly Ejection[] }>(
    ['ejections'],
    {},
    { concerns: about(service), everyMs: 5_000 },
  );
  const explained = useExplanation(service).data?.instances.find(({ instance_id: own }) => own === id);
  const circuit = circuits.data?.circuit_breakers.find((one) => one.service_name === service && one.instance_id === id);
  const ejection = ejections.data?.ejections.find((one) => one.service_name === service && one.instance_id === id);
  return (
    <Section title="Does it get calls?" note="of those that this process makes">
      {explained && (
        <p>
          {explained.taken ? (
            'A call now may go to it.'
          ) : (
            <>
              A call now does not go to it: <span class="strong">{words(explained.reason ?? '')}</span>
            </>
          )}
        </p>
      )}
      <Loaded answer={circuits}>
        {() => (
          <>
            <div class="circuit">
              <CircuitState circuit={circuit} />
              {circuit && (
                <span class="muted">
                  for {duration(circuit.state_age_ms / 1_000)}
                  {circuit.retry_after_ms !== null && `, next probe in ${duration(circuit.retry_after_ms / 1_000)}`}
                </span>
              )}
            </div>
            <CircuitActions service={service} instanceId={id} circuit={circuit} onDone={circuits.refresh} />
          </>
        )}
      </Loaded>
      <EjectionOf ejection={ejection} />
    </Section>
  );
}

function EjectionOf({ ejection }: { readonly ejection: Ejection | undefined }) {
  if (!ejection) return <p class="muted">Not ejected by outlier detection.</p>;
  const { ejected, evidence, ejected_for_ms: forMs, ejections } = ejection;
  return (
    <>
      <p class="with-icon">
        <StatusIcon status="degraded" />
        {ejected ? 'Ejected by outlier detection' : 'Outlier detection would eject it, and runs dry'}
        {forMs !== undefined && `, for ${duration(forMs / 1_000)} more`}
      </p>
      <p class="muted">
        {evidence !== undefined && `${evidence}; `}
        {counted(ejections, 'ejection')} lately
      </p>
    </>
  );
}

function CallsSection({ service, id }: InstanceProps) {
  const answer = useLive<Calls>(['calls'], { service }, { everyMs: 10_000 });
  return (
    <Section title="Calls to it" note="the last hour">
      <Loaded answer={answer}>
        {({ instances }) => <ShareOfCalls calls={instances.find(({ instance_id: own }) => own === id)} />}
      </Loaded>
    </Section>
  );
}

/** What it gets of the calls to its service, beside what its weight asks for. */
function ShareOfCalls({ calls }: { readonly calls: InstanceCalls | undefined }) {
  if (calls === undefined || calls.calls === 0) return <p class="muted">None that this process knows of.</p>;
  const { share, weight_share: weightShare, calls: count, errors, p95_ms: p95 } = calls;
  return (
    <Facts
      facts={[
        ['share of calls', <Share key="calls" of={share} />],
        ['share by weight', <Share key="weight" of={weightShare} />],
        ['calls', count.toLocaleString()],
        ['errors', `${errors.toLocaleString()} (${percent(errors / count)})`],
        ['latency, p95', ms(p95)],
      ]}
    />
  );
}

function Share({ of }: { readonly of: number | null }) {
  return (
    <span class="meter-with-text">
      <span class="figures">{percent(of)}</span>
      <span class="meter is-wide" aria-hidden="true">
        <span style={{ width: `${(of ?? 0) * 100}%` }} />
      </span>
    </span>
  );
}

function DetailSection({ instance }: { readonly instance: Instance }) {
  const { health } = instance;
  return (
    <Section title="Registration">
      <Facts
        facts={[
          ['address', <code key="address">{instance.base_url}</code>],
          ['version', instance.version ?? '–'],
          ['zone', instance.zone ?? '–'],
          ['tier', instance.tier ?? '–'],
          ['weight', instance.weight],
          ['tags', instance.tags.length === 0 ? '–' : <Chips key="tags" items={instance.tags} />],
          ['registered', fullTime(instance.registered_at)],
          ['last heartbeat', <Ago key="heartbeat" at={instance.last_heartbeat} />],
          [
            'lease',
            `${duration(instance.ttl)}, renewed by ${instance.lease === 'heartbeat' ? 'heartbeats' : words(instance.lease)}`,
          ],
          ...(instance.expires_at === undefined
            ? []
            : [['ends unless renewed', fullTime(instance.expires_at)] as const]),
          ['health check', instance.health_check_path ?? '–'],
          ['last check', health ? <LastCheck key="check" health={health} /> : 'none yet'],
        ]}
      />
    </Section>
  );
}

function LastCheck({ health }: { readonly health: NonNullable<Instance['health']> }) {
  const { checked_at: at, latency_ms: latency, status_code: code } = health;
  return (
    <>
      <Ago at={at} />
      {code !== undefined && `, status ${code}`}
      {latency !== undefined && ` in ${ms(latency)}`}
    </>
  );
}

function DataSection({ title, value }: { readonly title: string; readonly value: unknown }) {
  const isEmpty = value == null || (typeof value === 'object' && Object.keys(value).length === 0);
  return (
    <Section title={title} note={isEmpty ? undefined : 'secrets are masked'}>
      {isEmpty ? <p class="muted">None.</p> : <pre tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>}
    </Section>
  );
}

function HistorySection({ service, id }: InstanceProps) {
  const answer = useLive<{ transitions: readonly Transition[] }>(
    ['services', service, 'instances', id, 'history'],
    {},
    { concerns: (entry) => about(service)(entry) && entry.instance_id === id },
  );
  // That it is unknown, the page says already.
  if (answer.error?.status === 404) return null;
  return (
    <Section title="History of its health" note="what this process saw">
      <Loaded answer={answer}>
        {({ transitions }) =>
          transitions.length === 0 ? (
            <Empty title="Its status has not changed since this process started" />
          ) : (
            <>
              <Timeline transitions={transitions} />
              <ol class="history">
                {[...transitions].reverse().map(({ from, to, source, reason, at }) => (
                  <li key={`${at} ${to}`}>
                    <Ago at={at} />
                    <StatusIcon status={to ?? 'unknown'} />
                    <span>
                      {from ?? 'registered'} → <span class="strong">{to ?? 'gone'}</span>
                      <span class="muted">
                        {' '}
                        by {sourceWords(source).toLowerCase()}
                        {reason !== null && `: ${reason}`}
                      </span>
                    </span>
                  </li>
                ))}
              </ol>
            </>
          )
        }
      </Loaded>
    </Section>
  );
}
