import { useMemo } from 'preact/hooks';
import { toPlots } from '../call-data.js';
import { counted, duration, rate, words } from '../format.js';
import { journal, overview, useLive } from '../live.js';
import { type Calls, type Fault, type Overview } from '../model.js';
import { Ago, Empty, Facts, Heading, Loaded, Section, StatusIcon } from '../parts/basics.js';
import { JournalLine } from '../parts/journal-lines.js';
import { Plot } from '../parts/plot.js';
import { href, toService } from '../router.js';

export function OverviewView() {
  return (
    <>
      <Heading title="Overview" />
      <Loaded answer={overview.answer.value}>{(data) => <OverviewOf data={data} />}</Loaded>
    </>
  );
}

function OverviewOf({ data }: { readonly data: Overview }) {
  const { counts, faults } = data;
  return (
    <div class="overview">
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
      <Section title="Wrong now" note={faults.length > 0 ? counted(faults.length, 'fault') : undefined}>
        {faults.length === 0 ? (
          <AllIsWell counts={counts} />
        ) : (
          faults.map((fault) => <FaultRow key={fault.service_name} fault={fault} />)
        )}
      </Section>
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

function FaultRow({ fault }: { readonly fault: Fault }) {
  const { service_name: name, status, since, text, breaks } = fault;
  return (
    <div class="fault">
      <StatusIcon status={status} />
      <div class="fault-text">
        <p>
          <a class="strong" href={toService(name)}>
            {name}
          </a>{' '}
          is {words(status)}
          {since !== null && (
            <span class="muted">
              {' '}
              for <Ago at={since} suffix="" />
            </span>
          )}
        </p>
        <p class="muted">{text}</p>
        {breaks.length > 0 && (
          <p class="breaks">
            <span>{status === 'degraded' ? 'Affects' : 'Breaks'}</span>
            {breaks.slice(0, 8).map((service) => (
              <a class="chip is-affected" key={service} href={toService(service)}>
                {service}
              </a>
            ))}
            {breaks.length > 8 && <a href={href(['topology'], { fault: name })}>and {breaks.length - 8} more</a>}
          </p>
        )}
      </div>
      <a class="button" href={href(['topology'], { fault: name })}>
        Show in topology
      </a>
    </div>
  );
}

function LastEvents() {
  const entries = journal.value.slice(0, 12);
  if (entries.length === 0)
    return <Empty title="No event yet">Registrations, changes of health and actions appear here.</Empty>;
  return (
    <div class="table journal" role="table" aria-label="Last events">
      {entries.map((entry) => (
        <div class="row" role="row" key={entry.id}>
          <JournalLine entry={entry} />
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
        title="A second"
        times={plots.times}
        format={rate}
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
  const { mode, connected, age_seconds: age, replicas, held_expiry: held } = registry;
  return (
    <>
      <Facts
        facts={[
          ['where', MODES[mode] ?? mode],
          [
            'connection',
            <span key="connection" class="with-icon">
              <StatusIcon status={connected ? 'healthy' : 'unhealthy'} />
              {connected ? 'connected' : 'away: calls use what was known last'}
            </span>,
          ],
          ['age of what is known', duration(age)],
          ['processes', replicas === null ? 'one' : String(replicas)],
          ['held expiry', held.length === 0 ? 'none' : held.map(({ service_name: name }) => name).join(', ')],
        ]}
      />
      {held.length > 0 && (
        <p class="muted">
          So many instances missed their heartbeats at once that the registry removes none of these services: look at
          the network between them and the registry.
        </p>
      )}
    </>
  );
}
