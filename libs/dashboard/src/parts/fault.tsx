import { words } from '../format.js';
import { overview } from '../live.js';
import { type Fault, type ForcedCircuit } from '../model.js';
import { href, toInstance, toService } from '../router.js';
import { CircuitActions } from './actions.js';
import { Since, StatusIcon } from './basics.js';

const MOST_NAMES = 8;

/** What is down, since when, why, and what it breaks. */
export function FaultRow({ fault }: { readonly fault: Fault }) {
  const { service_name: name, status, since, text, breaks, caused_by: causes } = fault;
  return (
    <div class="fault">
      <StatusIcon status={status} />
      <div class="fault-text">
        <p>
          <a class="strong" href={toService(name)}>
            {name}
          </a>{' '}
          {since === null ? (
            `is ${words(status)}`
          ) : (
            <>
              has been {words(status)} <Since at={since} />
            </>
          )}
        </p>
        <p class="muted">{text}</p>
        {causes.length > 0 && <Names label="Because of" names={causes} of={name} />}
        {breaks.length > 0 && (
          <Names label={status === 'degraded' ? 'Affects' : 'Breaks'} names={breaks} of={name} isAffected />
        )}
      </div>
      <a class="button" href={href(['topology'], { fault: name })}>
        Show in topology
      </a>
    </div>
  );
}

interface NamesProps {
  readonly label: string;
  readonly names: readonly string[];
  /** The service at fault. */
  readonly of: string;
  readonly isAffected?: boolean;
}

function Names({ label, names, of, isAffected = false }: NamesProps) {
  return (
    <p class="fault-names">
      <span>{label}</span>
      {names.slice(0, MOST_NAMES).map((service) => (
        <a class={isAffected ? 'chip is-affected' : 'chip'} key={service} href={toService(service)}>
          {service}
        </a>
      ))}
      {names.length > MOST_NAMES && (
        <a href={href(['topology'], { fault: of })}>and {(names.length - MOST_NAMES).toLocaleString()} more</a>
      )}
    </p>
  );
}

const WHAT_FORCED_CIRCUITS_DO = {
  isolated: { status: 'unhealthy', held: 'open', effect: 'are refused at once' },
  closed: { status: 'degraded', held: 'closed', effect: 'go through, however many fail' },
} as const;

/** A circuit that an operator holds: since when, who, why, and how it is undone. */
export function ForcedCircuitRow({ circuit }: { readonly circuit: ForcedCircuit }) {
  const { service_name: service, instance_id: id, state, since, by, reason } = circuit;
  const { status, held, effect } = WHAT_FORCED_CIRCUITS_DO[state];
  return (
    <div class="fault">
      <StatusIcon status={status} />
      <div class="fault-text">
        <p>
          The circuit of{' '}
          <a class="strong" href={id === null ? toService(service) : toInstance(service, id)}>
            {id === null ? service : `${service}/${id}`}
          </a>{' '}
          {since === null ? (
            `is held ${held}`
          ) : (
            <>
              has been held {held} <Since at={since} />
            </>
          )}
        </p>
        <p class="muted">
          {by === null
            ? 'The journal does not say who did it'
            : `By ${by}${reason === null ? ', who gave no reason' : `: ${reason}`}`}
        </p>
        <p class="muted">
          The calls that {overview.answer.value.data?.process} makes {effect}, until it is set to automatic.
        </p>
      </div>
      <CircuitActions
        service={service}
        instanceId={id ?? undefined}
        circuit={{ forced: state }}
        offered={['automatic']}
        onDone={overview.refresh}
      />
    </div>
  );
}
