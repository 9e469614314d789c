import { counted, sentence, settingText, words } from '../format.js';
import { type Answer, overview, type Refreshed, useLive } from '../live.js';
import { about, type Calls, type Circuit, type Service, type Stage } from '../model.js';
import { CircuitActions } from '../parts/actions.js';
import { Empty, Heading, Loaded, Section, StatusBadge, StatusIcon } from '../parts/basics.js';
import { CallPlots } from '../parts/call-plots.js';
import { ExplainSection } from '../parts/explain.js';
import { FaultRow, ForcedCircuitRow } from '../parts/fault.js';
import { InstancesSection } from '../parts/instance-list.js';
import { SplitSection } from '../parts/split.js';
import { href, toInstance } from '../router.js';

/** As many as the API shows at once. */
const SHOWN_INSTANCES = 1_000;

export const useService = (name: string): Answer<Service> & Refreshed =>
  useLive<Service>(['services', name], { limit: SHOWN_INSTANCES }, { concerns: about(name) });

export const useCircuits = (service: string): Answer<{ circuit_breakers: readonly Circuit[] }> & Refreshed =>
  useLive(['circuit-breakers'], {}, { concerns: about(service), everyMs: 5_000 });

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
      <FaultsOf name={name} />
      <Loaded answer={service}>{(loaded) => <InstancesSection service={loaded} onChange={service.refresh} />}</Loaded>
      {data && (
        <>
          <SplitSection name={name} />
          <CallsSection name={name} />
          <ExplainSection name={name} />
          <CircuitSection name={name} circuits={circuits} />
          <PipelineSection name={name} />
        </>
      )}
    </>
  );
}

/** What is wrong with the service, and with those that it depends on. */
function FaultsOf({ name }: { readonly name: string }) {
  const { faults = [], forced_circuits: circuits = [] } = overview.answer.value.data ?? {};
  const own = faults.filter((fault) => fault.service_name === name || fault.breaks.includes(name));
  const forced = circuits.filter((circuit) => circuit.service_name === name);
  if (own.length + forced.length === 0) return null;
  return (
    <Section title="What is wrong">
      {own.slice(0, MOST_FAULTS).map((fault) => (
        <FaultRow key={fault.service_name} fault={fault} />
      ))}
      {own.length > MOST_FAULTS && (
        <p class="muted">and {counted(own.length - MOST_FAULTS, 'more fault')} of services that it depends on</p>
      )}
      {forced.slice(0, MOST_FAULTS).map((circuit) => (
        <ForcedCircuitRow key={circuit.instance_id} circuit={circuit} />
      ))}
    </Section>
  );
}

const MOST_FAULTS = 5;

function CallsSection({ name }: { readonly name: string }) {
  const answer = useLive<Calls>(['calls'], { service: name }, { everyMs: 10_000 });
  return (
    <Section title="Calls to it" note="the last hour">
      <Loaded answer={answer}>
        {(calls) => <CallPlots calls={calls} edges={calls.edges.filter((edge) => edge.service_name === name)} />}
      </Loaded>
    </Section>
  );
}

interface CircuitSectionProps {
  readonly name: string;
  readonly circuits: Answer<{ circuit_breakers: readonly Circuit[] }> & Refreshed;
}

/** That of the service as a whole, and those of instances that are not simply closed. */
function CircuitSection({ name, circuits }: CircuitSectionProps) {
  return (
    <Section title="Circuits" note="of the calls that this process makes">
      <Loaded answer={circuits}>
        {({ circuit_breakers: all }) => {
          const own = all.filter(({ service_name: service }) => service === name);
          const whole = own.find(({ instance_id: id }) => id === null);
          const ofInstances = own.filter(({ instance_id: id }) => id !== null);
          const notable = ofInstances.filter(({ state, forced }) => state !== 'closed' || forced !== null);
          return (
            <>
              <div class="circuit">
                <CircuitState circuit={whole} />
                <span class="strong">The service as a whole</span>
                <CircuitActions service={name} circuit={whole} onDone={circuits.refresh} />
              </div>
              {notable.slice(0, MOST_CIRCUITS).map((circuit) => (
                <div class="circuit" key={circuit.instance_id}>
                  <CircuitState circuit={circuit} />
                  <a href={toInstance(name, circuit.instance_id ?? '')}>{circuit.instance_id}</a>
                  <CircuitActions
                    service={name}
                    instanceId={circuit.instance_id ?? undefined}
                    circuit={circuit}
                    onDone={circuits.refresh}
                  />
                </div>
              ))}
              <p class="muted">{othersText(ofInstances.length, notable.length)}</p>
            </>
          );
        }}
      </Loaded>
    </Section>
  );
}

const MOST_CIRCUITS = 20;

function othersText(all: number, notable: number): string {
  if (all === 0) return 'No instance has a circuit yet: this process has not called one.';
  const hidden = notable > MOST_CIRCUITS ? `${notable - MOST_CIRCUITS} more are not closed. ` : '';
  const verb = all - notable === 1 ? 'is' : 'are';
  return `${hidden}${(all - notable).toLocaleString()} of ${counted(all, 'circuit')} of instances ${verb} closed.`;
}

const CIRCUIT_STATUS = { closed: 'healthy', half_open: 'degraded', open: 'unhealthy', isolated: 'unhealthy' } as const;

export function CircuitState({ circuit }: { readonly circuit: Circuit | undefined }) {
  if (!circuit)
    return (
      <span class="badge is-unknown">
        <StatusIcon status="unknown" />
        no circuit yet
      </span>
    );
  const { state, forced, failures, held_closed: heldClosed } = circuit;
  const status = forced === 'closed' ? 'degraded' : CIRCUIT_STATUS[state];
  return (
    <span class={`badge is-${status}`}>
      <StatusIcon status={status} />
      <span>
        {words(state)}
        {forced !== null && ' (forced)'}
        {heldClosed && ' (held closed)'}
        {failures > 0 && <span class="muted">, {counted(failures, 'failure')}</span>}
      </span>
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
