import { useState } from 'preact/hooks';
import { counted, ms, percent, sentence, settingText, words } from '../format.js';
import { type Answer, type Refreshed, useLive } from '../live.js';
import {
  type Calls,
  type Circuit,
  type Explanation,
  type Instance,
  type JournalEntry,
  type Service,
  type Stage,
} from '../model.js';
import { CircuitActions, InstanceActions } from '../parts/actions.js';
import { Ago, Chips, Empty, Heading, Loaded, Section, StatusBadge, StatusIcon } from '../parts/basics.js';
import { CallPlots } from '../parts/call-plots.js';
import { href, toInstance } from '../router.js';

/** As many as the API shows at once. */
const SHOWN_INSTANCES = 1_000;

export const useService = (name: string): Answer<Service> & Refreshed =>
  useLive<Service>(['services', name], { limit: SHOWN_INSTANCES }, { concerns: about(name) });

export const useCircuits = (service: string): Answer<{ circuit_breakers: readonly Circuit[] }> & Refreshed =>
  useLive(['circuit-breakers'], {}, { concerns: about(service), everyMs: 5_000 });

export const about =
  (service: string) =>
  (entry: JournalEntry): boolean =>
    entry.service_name === service;

export function ServiceView({ name }: { readonly name: string }) {
  const service = useService(name);
  const circuits = useCircuits(name);
  const { data } = service;
  return (
    <>
      <Heading title={name}>
        {data && <StatusBadge status={data.status} />}
        <nav class="crumbs" aria-label="Where this is">
          <a href={href(['services'])}>Services</a>
        </nav>
      </Heading>
      <Loaded answer={service}>{(loaded) => <InstancesSection service={loaded} onChange={service.refresh} />}</Loaded>
      {data && (
        <>
          <CallsSection name={name} />
          <ExplainSection name={name} />
          <CircuitSection name={name} circuits={circuits} />
          <PipelineSection name={name} />
        </>
      )}
    </>
  );
}

function InstancesSection({ service, onChange }: { readonly service: Service; readonly onChange: () => void }) {
  const { instances, total_instances: total, healthy_instances: healthy, expiry_held: held } = service;
  return (
    <Section title="Instances" note={`${healthy} of ${counted(total, 'instance')} healthy`}>
      {held && (
        <p class="banner is-degraded">
          <StatusIcon status="degraded" />
          Expiry is held: {held.overdue} of {held.total} missed their heartbeats at once, so none is removed.
        </p>
      )}
      <ul class="instances">
        {instances.map((instance) => (
          <InstanceRow key={instance.instance_id} instance={instance} onChange={onChange} />
        ))}
      </ul>
      {total > instances.length && <p class="muted">The first {instances.length} are shown.</p>}
    </Section>
  );
}

function InstanceRow({ instance, onChange }: { readonly instance: Instance; readonly onChange: () => void }) {
  const { service_name: service, instance_id: id, status, reasons, version, zone, tags, weight } = instance;
  const [reason] = reasons;
  return (
    <li class="instance">
      <StatusBadge status={status} />
      <div class="instance-name">
        <a class="strong" href={toInstance(service, id)}>
          {id}
        </a>
        <span class="muted">
          {reason ? (
            <>
              {sourceWords(reason.source)}
              {reason.reason !== null && `: ${reason.reason}`}
              {reason.since !== null && (
                <>
                  , for <Ago at={reason.since} suffix="" />
                </>
              )}
            </>
          ) : (
            'not checked yet'
          )}
        </span>
      </div>
      <span class="instance-labels muted">
        {[version, zone, weight !== 100 && `weight ${weight}`].filter(Boolean).join(' · ')}
        <Chips items={tags.slice(0, 4)} />
      </span>
      <InstanceActions instance={instance} onDone={onChange} />
    </li>
  );
}

const SOURCES: Readonly<Record<string, string>> = {
  operator: 'An operator',
  lease: 'Its heartbeats',
  active: 'Health checks',
  passive: 'Calls',
};

/** Who says how an instance is. */
export const sourceWords = (source: string): string => SOURCES[source] ?? words(source);

function CallsSection({ name }: { readonly name: string }) {
  const answer = useLive<Calls>(['calls'], { service: name }, { everyMs: 10_000 });
  return (
    <Section title="Calls to it" note="the last hour">
      <Loaded answer={answer}>{(calls) => <CallPlots calls={calls} edges={calls.edges} />}</Loaded>
    </Section>
  );
}

const QUESTIONS = [
  { name: 'path', label: 'Path', placeholder: '/' },
  { name: 'version', label: 'Version', placeholder: '^1.2' },
  { name: 'tag', label: 'Tag', placeholder: 'api' },
  { name: 'zone', label: 'Zone', placeholder: 'eu-west-1a' },
  { name: 'key', label: 'Key', placeholder: 'user-42' },
  { name: 'client_ip', label: 'Client address', placeholder: '10.0.0.7' },
] as const;

/** Which instance a request would get, and why the others are left out. */
function ExplainSection({ name }: { readonly name: string }) {
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>({});
  const answer = useLive<Explanation>(['explain', name], typed, { concerns: about(name), everyMs: 5_000 });
  return (
    <Section title="Where a request would go" note="as this process would send it">
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
        }}
      >
        {QUESTIONS.map(({ name: field, label, placeholder }) => (
          <label class="field" key={field}>
            <span>{label}</span>
            <input
              type="text"
              placeholder={placeholder}
              value={typed[field] ?? ''}
              onChange={(event) => setTyped({ ...typed, [field]: event.currentTarget.value.trim() })}
            />
          </label>
        ))}
      </form>
      <Loaded answer={answer}>{(explanation) => <ExplanationOf explanation={explanation} />}</Loaded>
    </Section>
  );
}

function ExplanationOf({ explanation }: { readonly explanation: Explanation }) {
  const {
    strategy,
    goes_by: goesBy,
    unavailable,
    refused_by: refusedBy,
    instances,
    retries_left: retries,
  } = explanation;
  const taken = instances.filter((instance) => instance.taken).length;
  return (
    <>
      <p class="explain-sum">
        {unavailable !== undefined || refusedBy !== undefined ? (
          <span class="with-icon">
            <StatusIcon status="unhealthy" />
            The call would fail: {words(refusedBy ?? unavailable ?? '')}.
          </span>
        ) : (
          <>
            One of <strong>{taken}</strong> by <strong>{words(strategy)}</strong>
            {goesBy !== undefined && <span class="muted"> (goes by {goesBy})</span>}
            {explanation.owner !== undefined && (
              <>
                ; this key belongs to <code>{explanation.owner}</code>
              </>
            )}
            {retries !== undefined && <span class="muted">; {Math.floor(retries)} retries left in the budget</span>}
            {explanation.fail_open && '; no instance is healthy, so health is ignored'}
            {explanation.panic && '; so few are healthy that health is ignored'}
          </>
        )}
      </p>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="What a request would meet, by instance">
        <table>
          <thead>
            <tr>
              <th scope="col">Instance</th>
              <th scope="col">Takes it?</th>
              <th scope="col" class="is-number">
                Weight
              </th>
              <th scope="col" class="is-number">
                In flight
              </th>
              <th scope="col" class="is-number">
                Expected latency
              </th>
              <th scope="col">Circuit</th>
            </tr>
          </thead>
          <tbody>
            {instances.map((instance) => (
              <tr key={instance.instance_id}>
                <th scope="row">
                  <span class="with-icon">
                    <StatusIcon status={instance.status} />
                    <span class="visually-hidden">{instance.status} </span>
                    {instance.instance_id}
                  </span>
                </th>
                <td>
                  {instance.taken ? (
                    'may be picked'
                  ) : (
                    <>
                      no: {instance.reason} <span class="muted">({words(instance.stage ?? '')})</span>
                    </>
                  )}
                </td>
                <td class="is-number">
                  {instance.weight}
                  {instance.slow_start < 1 && <span class="muted"> × {percent(instance.slow_start)}</span>}
                </td>
                <td class="is-number">{instance.active}</td>
                <td class="is-number">{instance.latency_ms === 0 ? '–' : ms(instance.latency_ms)}</td>
                <td>{instance.circuit ? words(instance.circuit.state) : '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

interface CircuitSectionProps {
  readonly name: string;
  readonly circuits: Answer<{ circuit_breakers: readonly Circuit[] }> & Refreshed;
}

function CircuitSection({ name, circuits }: CircuitSectionProps) {
  return (
    <Section title="Circuits" note="of the calls that this process makes">
      <Loaded answer={circuits}>
        {({ circuit_breakers: all }) => {
          const own = all.filter(({ service_name: service }) => service === name);
          const whole = own.find(({ instance_id: id }) => id === null);
          return (
            <>
              <div class="circuit">
                <CircuitState circuit={whole} />
                <span class="instance-name">
                  <span class="strong">The service as a whole</span>
                </span>
                <CircuitActions service={name} circuit={whole} onDone={circuits.refresh} />
              </div>
              {own
                .filter(({ instance_id: id }) => id !== null)
                .map((circuit) => (
                  <div class="circuit" key={circuit.instance_id}>
                    <CircuitState circuit={circuit} />
                    <span class="instance-name">
                      <a href={toInstance(name, circuit.instance_id ?? '')}>{circuit.instance_id}</a>
                    </span>
                    <CircuitActions
                      service={name}
                      instanceId={circuit.instance_id ?? undefined}
                      circuit={circuit}
                      onDone={circuits.refresh}
                    />
                  </div>
                ))}
            </>
          );
        }}
      </Loaded>
    </Section>
  );
}

const CIRCUIT_STATUS = { closed: 'healthy', half_open: 'degraded', open: 'unhealthy', isolated: 'unhealthy' } as const;

export function CircuitState({ circuit }: { readonly circuit: Circuit | undefined }) {
  if (!circuit) return <span class="badge is-unknown">no circuit yet</span>;
  const { state, forced, failures, held_closed: heldClosed } = circuit;
  return (
    <span class={`badge is-${CIRCUIT_STATUS[state]}`}>
      <StatusIcon status={CIRCUIT_STATUS[state]} />
      {words(state)}
      {forced !== null && ' (forced)'}
      {heldClosed && ' (held closed)'}
      {failures > 0 && <span class="muted">, {counted(failures, 'failure')}</span>}
    </span>
  );
}

function PipelineSection({ name }: { readonly name: string }) {
  const answer = useLive<{ stages: readonly Stage[] }>(['pipeline', name], {}, { everyMs: 60_000 });
  return (
    <Section title="Pipeline of a call" note="the outermost stage first">
      <Loaded answer={answer}>
        {({ stages }) =>
          stages.length === 0 ? (
            <Empty title="Calls go out unprotected">Every stage is off for this service.</Empty>
          ) : (
            <ol class="pipeline">
              {stages.map(({ stage, purpose, per, options }) => (
                <li key={`${stage} ${per}`}>
                  <details>
                    <summary>
                      <span class="strong">{sentence(stage)}</span>
                      <span class="muted">{per === 'instance' ? 'per instance' : 'per service'}</span>
                      <span class="pipeline-purpose">{purpose}</span>
                    </summary>
                    <dl class="facts is-dense">
                      {Object.entries(options).map(([option, value]) => (
                        <div key={option}>
                          <dt>{words(option)}</dt>
                          <dd>{settingText(value)}</dd>
                        </div>
                      ))}
                    </dl>
                  </details>
                </li>
              ))}
            </ol>
          )
        }
      </Loaded>
    </Section>
  );
}
