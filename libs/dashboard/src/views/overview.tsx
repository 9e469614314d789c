import { type ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { toPlots } from '../call-data.js';
import { counted, duration } from '../format.js';
import { journal, overview, useLive, useServiceNames } from '../live.js';
import { type Calls, type Overview } from '../model.js';
import { Empty, Facts, Heading, Loaded, Section, Since, StatusIcon } from '../parts/basics.js';
import { rateOrNone } from '../parts/call-plots.js';
import { FaultRow, ForcedCircuitRow } from '../parts/fault.js';
import { JournalLine } from '../parts/journal-lines.js';
import { Plot } from '../parts/plot.js';
import { href, toService } from '../router.js';

export function OverviewView() {
  return (
    <>
      <Heading title="Overview" />
      <Loaded answer={overview.answer.value}>
        {(data) => <OverviewOf data={data} isOld={overview.answer.value.error !== undefined} />}
      </Loaded>
    </>
  );
}

interface OverviewProps {
  readonly data: Overview;
  /** It could not be read again. */
  readonly isOld: boolean;
}

function OverviewOf({ data, isOld }: OverviewProps) {
  const { counts } = data;
  return (
    <div class="overview">
      <WrongNow data={data} isOld={isOld} />
      <div class="tiles">
        <Tile label="Services" value={counts.services} href={href(['services'])} />
        <Tile
          label="Healthy"
          value={counts.healthy_services}
          status="healthy"
          href={href(['services'], { status: 'healthy' })}
        />
        <Tile
          label="Degraded"
          value={counts.degraded_services}
          status="degraded"
          href={href(['services'], { status: 'degraded' })}
        />
        <Tile
          label="Unhealthy"
          value={counts.unhealthy_services}
          status="unhealthy"
          href={href(['services'], { status: 'unhealthy' })}
        />
        <Tile
          label="Instances healthy"
          value={counts.healthy_instances}
          of={counts.instances}
          href={href(['services'])}
        />
      </div>
      <div class="columns">
        <Section title="Last events" note={<a href={href(['journal'])}>The whole journal</a>}>
          <LastEvents />
        </Section>
        <div>
          <Section title="Registry">
            <RegistryFacts registry={data.registry} />
          </Section>
          <CallsSection />
        </div>
      </div>
    </div>
  );
}

/** How much is wrong: services, circuits that are forced, holds of expiry, and a registry that is away. */
export const faultsOf = ({ faults, forced_circuits: forced, registry }: Overview): number =>
  faults.length + forced.length + registry.held_expiry.length + (registry.connected ? 0 : 1);

/** More than this is no list that anyone reads: the list of services has filters. */
const MOST_FAULTS = 12;

function WrongNow({ data, isOld }: OverviewProps) {
  const { counts, faults, forced_circuits: forced, registry } = data;
  const { connected, age_seconds: age, held_expiry: held } = registry;
  const knownAt = useMemo(() => new Date(Date.now() - age * 1_000).toISOString(), [registry]);
  const count = faultsOf(data);
  return (
    <Section title={isOld ? 'What was wrong' : 'Wrong now'} note={count > 0 ? counted(count, 'fault') : undefined}>
      {count === 0 && (isOld ? <p class="muted">Nothing was known to be wrong.</p> : <AllIsWell counts={counts} />)}
      {!connected && (
        <Notice>
          <p>
            <span class="strong">The registry has been away</span> <Since at={knownAt} />
          </p>
          <p class="muted">Calls go by what was known last; what registers or fails now does not show.</p>
        </Notice>
      )}
      {faults.slice(0, MOST_FAULTS).map((fault) => (
        <FaultRow key={fault.service_name} fault={fault} />
      ))}
      {faults.length > MOST_FAULTS && (
        <p class="fault-more">
          <a href={href(['services'], { status: 'failing' })}>
            and {counted(faults.length - MOST_FAULTS, 'more service')}
          </a>
        </p>
      )}
      {forced.slice(0, MOST_FAULTS).map((circuit) => (
        <ForcedCircuitRow key={`${circuit.service_name} ${circuit.instance_id}`} circuit={circuit} />
      ))}
      {forced.length > MOST_FAULTS && (
        <p class="fault-more muted">and {counted(forced.length - MOST_FAULTS, 'more circuit')} held by an operator</p>
      )}
      {held.map(({ service_name: name, since, overdue, total }) => (
        <Notice key={name}>
          <p>
            <span class="strong">
              Expiry of <a href={toService(name)}>{name}</a> has been held
            </span>{' '}
            <Since at={since} />
          </p>
          <p class="muted">
            {overdue} of {total} instances missed their heartbeats at once, so none is removed: look at the network
            between them and the registry.
          </p>
        </Notice>
      ))}
    </Section>
  );
}

/** A fault of the registry, not of a service. */
function Notice({ children }: { readonly children: ComponentChildren }) {
  return (
    <div class="fault">
      <StatusIcon status="degraded" />
      <div class="fault-text">{children}</div>
    </div>
  );
}

interface TileProps {
  readonly label: string;
  readonly value: number;
  readonly of?: number;
  readonly status?: 'healthy' | 'degraded' | 'unhealthy';
  readonly href: string;
}

function Tile({ label, value, of, status, href: to }: TileProps) {
  return (
    <a class={`tile ${status && value > 0 ? `is-${status}` : ''}`} href={to}>
      <span class="tile-label">
        {status && <StatusIcon status={status} />}
        {label}
      </span>
      <span class="tile-value">
        {value.toLocaleString()}
        {of !== undefined && <small> of {of.toLocaleString()}</small>}
      </span>
    </a>
  );
}

function AllIsWell({ counts }: { readonly counts: Overview['counts'] }) {
  if (counts.services === 0) {
    return (
      <Empty title="No service is registered yet">
        Start an app with <code>@DiscoverableService()</code> and this registry as its <code>registryUrl</code>; it
        appears here without a reload.
      </Empty>
    );
  }
  return (
    <div class="all-well">
      <StatusIcon status="healthy" />
      <p>Nothing is wrong: every service can be called, and no instance fails its checks.</p>
    </div>
  );
}

function LastEvents() {
  const services = useServiceNames();
  const entries = journal.value.slice(0, 10);
  if (entries.length === 0)
    return <Empty title="No event yet">Registrations, changes of health and actions appear here.</Empty>;
  return (
    <div class="table journal" role="table" aria-label="Last events">
      {entries.map((entry) => (
        <div class="row" role="row" key={entry.id}>
          <JournalLine entry={entry} services={services} />
        </div>
      ))}
    </div>
  );
}

function CallsSection() {
  const { data } = useLive<Calls>(['calls'], {}, { everyMs: 10_000 });
  const plots = useMemo(() => data && toPlots(data, data.edges), [data]);
  if (!plots || plots.times.length === 0) return null;
  return (
    <Section title="Calls" note={<a href={href(['calls'])}>All figures</a>}>
      <Plot
        title="Calls a second"
        times={plots.times}
        format={rateOrNone}
        height={140}
        lines={[
          { label: 'calls', values: plots.rates, color: '--series-1', isFilled: true },
          { label: 'errors', values: plots.errorRates, color: '--unhealthy', isFilled: true },
        ]}
      />
    </Section>
  );
}

const MODES: Readonly<Record<string, string>> = {
  memory_only: 'In the memory of this process',
  redis_backed: 'Redis',
  hybrid: 'Redis, with local writes while it is away',
  remote: 'Another process, over its REST API',
};

function RegistryFacts({ registry }: { readonly registry: Overview['registry'] }) {
  const { mode, connected, age_seconds: age, replicas } = registry;
  return (
    <Facts
      facts={[
        ['where', MODES[mode] ?? mode],
        [
          'connection',
          <span key="connection" class="with-icon">
            <StatusIcon status={connected ? 'healthy' : 'unhealthy'} />
            {connected ? 'connected' : 'away'}
          </span>,
        ],
        ...(connected ? [['age of what is known', duration(age)] as const] : []),
        ...(replicas === null || !connected ? [] : [['replicas', replicas.toLocaleString()] as const]),
      ]}
    />
  );
}
