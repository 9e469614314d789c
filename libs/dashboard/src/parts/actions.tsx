import { type Circuit, type CircuitCommand, type Instance, type OperatorStatus } from '../model.js';
import { mayOperate, overview } from '../live.js';
import { type Action, ActionButton } from './action-dialog.js';

const STATUS_ACTIONS: readonly {
  readonly status: OperatorStatus;
  readonly label: string;
  /** @param name the instance and its service */
  readonly question: (name: string) => string;
  readonly effect: string;
  /** What the instance is then. */
  readonly done: string;
}[] = [
  {
    status: 'draining',
    label: 'Drain',
    question: (name) => `Drain ${name}?`,
    done: 'is draining',
    effect: 'It gets no new calls from any process; calls in flight finish. It stays registered.',
  },
  {
    status: 'maintenance',
    label: 'Maintenance',
    question: (name) => `Put ${name} into maintenance?`,
    done: 'is in maintenance',
    effect: 'It gets no calls from any process, whatever its health checks say, until it is brought back.',
  },
  {
    status: 'up',
    label: 'Bring back',
    question: (name) => `Bring ${name} back?`,
    done: 'is back',
    effect: 'It gets calls again as its health checks say.',
  },
];

/** What an operator can do to an instance; nothing without the right. */
export function InstanceActions({ instance, onDone }: { readonly instance: Instance; readonly onDone: () => void }) {
  if (!mayOperate()) return null;
  const { service_name: service, instance_id: id, operator_status: current } = instance;
  return (
    <div class="actions">
      {STATUS_ACTIONS.filter(({ status }) => status !== current).map(({ status, label, question, effect, done }) => {
        const action: Action = {
          label,
          effect,
          question: question(`${id} of ${service}`),
          path: ['services', service, 'instances', id, 'status'],
          body: { status },
          done: `${id} of ${service} ${done} now.`,
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
  /** @param name the circuit's instance and service, or the service */
  readonly question: (name: string) => string;
  readonly effect: string;
  /** What the circuit does then. */
  readonly done: string;
}[] = [
  {
    state: 'isolated',
    label: 'Isolate',
    question: (name) => `Isolate ${name}?`,
    effect: 'The circuit stays open: calls are refused at once.',
    done: 'stays open',
  },
  {
    state: 'closed',
    label: 'Hold closed',
    question: (name) => `Hold the circuit of ${name} closed?`,
    effect: 'The circuit stays closed: calls go through, however many fail.',
    done: 'stays closed',
  },
  {
    state: 'automatic',
    label: 'Automatic',
    question: (name) => `Let the circuit of ${name} go by its calls?`,
    effect: 'The circuit opens when calls fail, and closes when they succeed.',
    done: 'goes by its calls',
  },
];

interface CircuitActionsProps {
  readonly service: string;
  /** Undefined: the circuit of the service as a whole. */
  readonly instanceId?: string;
  readonly circuit: Pick<Circuit, 'forced'> | undefined;
  /** @default all */
  readonly offered?: readonly CircuitCommand[];
  readonly onDone: () => void;
}

/** What an operator can do to a circuit; nothing without the right. */
export function CircuitActions({ service, instanceId, circuit, offered, onDone }: CircuitActionsProps) {
  if (!mayOperate()) return null;
  const name = instanceId === undefined ? service : `${instanceId} of ${service}`;
  const current = circuit?.forced ?? 'automatic';
  const process = overview.answer.value.data?.process ?? 'this process';
  return (
    <div class="actions">
      {CIRCUIT_ACTIONS.filter(({ state }) => state !== current && (offered?.includes(state) ?? true)).map(
        ({ state, label, question, effect, done }) => {
          const action: Action = {
            label,
            effect: `${effect} This concerns the calls that ${process} makes.`,
            question: question(name),
            path: ['circuit-breakers', service, ...(instanceId === undefined ? [] : ['instances', instanceId])],
            body: { state },
            done: `The circuit of ${name} ${done} now.`,
            isDangerous: state === 'isolated',
          };
          return <ActionButton key={state} action={action} onDone={onDone} />;
        },
      )}
    </div>
  );
}
