import { useMemo } from 'preact/hooks';
import { counted, words } from '../format.js';
import { type Instance, type Service } from '../model.js';
import { route, toInstance } from '../router.js';
import { InstanceActions } from './actions.js';
import { Ago, Chips, Empty, isFailing, Section, SEVERITY, StatusBadge, StatusIcon } from './basics.js';
import { StatusChoice, TextFilter } from './filters.js';
import { isNarrow } from './narrow.js';
import { VirtualList } from './virtual-list.js';

/** A list that is taken in at a glance needs no filter. */
const FILTERED_FROM = 10;

interface InstancesProps {
  readonly service: Service;
  readonly onChange: () => void;
}

/** The instances of a service, the worst first. */
export function InstancesSection({ service, onChange }: InstancesProps) {
  const { instances, total_instances: total, healthy_instances: healthy, expiry_held: held } = service;
  const { query } = route.value;
  const shown = useMemo(() => select(instances, query), [instances, query]);
  return (
    <Section title="Instances" note={`${healthy.toLocaleString()} of ${counted(total, 'instance')} healthy`}>
      {held && (
        <p class="banner is-degraded">
          <StatusIcon status="degraded" />
          Expiry is held: {held.overdue} of {held.total} missed their heartbeats at once, so none is removed.
        </p>
      )}
      {total > FILTERED_FROM && (
        <div class="filters" role="search" aria-label="Instances">
          <TextFilter label="Text" placeholder="Filter by id, version, zone or tag" value={query.q} />
          <StatusChoice value={query.status} values={SEVERITY.filter((status) => status !== 'not_registered')} />
        </div>
      )}
      {shown.length === 0 ? (
        <Empty title="No instance matches" />
      ) : (
        <VirtualList
          class="instances"
          label="Instances"
          items={shown}
          keyOf={({ instance_id: id }) => id}
          rowHeight={isNarrow.value ? 84 : 56}
          render={(instance) => <InstanceRow instance={instance} onChange={onChange} />}
        />
      )}
      {total > instances.length && <p class="muted">The first {instances.length.toLocaleString()} by id are shown.</p>}
    </Section>
  );
}

function select(instances: readonly Instance[], { q = '', status }: Readonly<Record<string, string>>): Instance[] {
  const text = q.toLowerCase();
  const wanted = instances.filter(
    (instance) =>
      (status === 'failing' ? isFailing(instance.status) : status === undefined || instance.status === status) &&
      (text === '' || textOf(instance).includes(text)),
  );
  // By id they come from the API.
  return wanted.sort((a, b) => SEVERITY.indexOf(a.status) - SEVERITY.indexOf(b.status));
}

const textOf = ({ instance_id: id, version, zone, tags }: Instance): string =>
  [id, version, zone, ...tags].join(' ').toLowerCase();

function InstanceRow({ instance, onChange }: { readonly instance: Instance; readonly onChange: () => void }) {
  const { service_name: service, instance_id: id, status, reasons, version, zone, tags, weight } = instance;
  const [reason] = reasons;
  return (
    <>
      <span role="cell" class="cell-status">
        <StatusBadge status={status} />
      </span>
      <span role="cell" class="instance-name">
        <a class="strong" href={toInstance(service, id)}>
          {id}
        </a>
        <span class="muted" title={reason?.reason ?? undefined}>
          {reason ? sourceWords(reason.source) : 'not checked yet'}
          {reason?.since != null && (
            <>
              , <Ago at={reason.since} />
            </>
          )}
          {reason?.reason != null && `: ${reason.reason}`}
        </span>
      </span>
      <span role="cell" class="instance-labels muted">
        {[version, zone, weight !== 100 && `weight ${weight}`].filter(Boolean).join(' · ')}
        <Chips items={tags.slice(0, 4)} />
      </span>
      <span role="cell" class="cell-actions">
        <InstanceActions instance={instance} onDone={onChange} />
      </span>
    </>
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
