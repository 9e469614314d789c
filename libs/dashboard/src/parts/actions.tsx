import { type Circuit, type CircuitCommand, type Instance, type OperatorStatus } from '../model.js';
import { mayOperate, overview } from '../live.js';
import { type Action, ActionButton } from './action-dialog.js';

const STATUS_ACTIONS: readonly {
  readonly status: OperatorStatus;
  readonly label: string;
  readonly effect: string;
}[] = [
  {
    status: 'draining',
    label: 'Drain',
    effect: 'It gets no new calls from any process; calls in flight finish. It stays registered.',
  },
  {
    status: 'maintenance',
    label: 'Maintenance',
    effect: 'It gets no calls from any process, whatever its health checks say, until it is put up again.',
  },
  { status: 'up', label: 'Put up', effect: 'It gets calls again as its health checks say.' },
];

/** What an operator can do to an instance; nothing without the right. */
export function InstanceActions({ instance, onDone }: { readonly instance: Instance; readonly onDone: () => void }) {
  if (!mayOperate()) return null;
  const { service_name: service, instance_id: id, operator_status: current } = instance;
  return (
    <div class="actions">
      {STATUS_ACTIONS.filter(({ status }) => status !== current).map(({ status, label, effect }) => {
        const action: Action = {
          label,
          effect,
          question: `${label}: ${id} of ${service}?`,
          path: ['services', service, 'instances', id, 'status'],
          body: { status },
          done: `${id} of ${service} is ${status} now.`,
          isDangerous: status !== 'up',
        };
        return <ActionButton key={status} action={action} onDone={onDone} />;
      })}
    </div>
  );
}

const CIRCUIT_ACTIONS: readonly {
  readonly state: CircuitCommand;
  readonly label: string;
  readonly effect: string;
}[] = [
  { state: 'isolated', label: 'Isolate', effect: 'The circuit stays open: calls are refused at once.' },
  { state: 'closed', label: 'Hold closed', effect: 'The circuit stays closed: calls go through, however many fail.' },
  { state: 'automatic', label: 'Automatic', effect: 'The circuit goes by its calls again.' },
];

interface CircuitActionsProps {
  readonly service: string;
  /** Undefined: the circuit of the service as a whole. */
  readonly instanceId?: string;
  readonly circuit: Circuit | undefined;
  readonly onDone: () => void;
}

/** What an operator can do to a circuit; nothing without the right. */
export function CircuitActions({ service, instanceId, circuit, onDone }: CircuitActionsProps) {
  if (!mayOperate()) return null;
  const name = instanceId === undefined ? service : `${instanceId} of ${service}`;
  const current = circuit?.forced ?? 'automatic';
  const process = overview.answer.value.data?.process ?? 'this process';
  return (
    <div class="actions">
      {CIRCUIT_ACTIONS.filter(({ state }) => state !== current).map(({ state, label, effect }) => {
        const action: Action = {
          label,
          effect: `${effect} This concerns the calls that ${process} makes.`,
          question: `${label}: the circuit of ${name}?`,
          path: ['circuit-breakers', service, ...(instanceId === undefined ? [] : ['instances', instanceId])],
          body: { state },
          done: `The circuit of ${name} is ${state} now.`,
          isDangerous: state === 'isolated',
        };
        return <ActionButton key={state} action={action} onDone={onDone} />;
      })}
    </div>
  );
}
