import { type Query } from '../api.js';
import { counted, ms, percent, words } from '../format.js';
import { type Answer, useLive } from '../live.js';
import { about, type Explanation } from '../model.js';
import { route, setQuery } from '../router.js';
import { Loaded, Section, StatusIcon } from './basics.js';
import { isNarrow } from './narrow.js';
import { VirtualList } from './virtual-list.js';

const QUESTIONS = [
  { name: 'path', label: 'Path', placeholder: '/' },
  { name: 'version', label: 'Version', placeholder: '^1.2' },
  { name: 'tag', label: 'Tag', placeholder: 'api' },
  { name: 'zone', label: 'Zone', placeholder: 'eu-west-1a' },
  { name: 'key', label: 'Key', placeholder: 'user-42' },
  { name: 'client_ip', label: 'Client address', placeholder: '10.0.0.7' },
] as const;

/** What a call of this process would meet now. */
export const useExplanation = (service: string, question: Query = {}): Answer<Explanation> =>
  useLive<Explanation>(['explain', service], question, { concerns: about(service), everyMs: 5_000 });

/** Which instance a request would get, and why the others are left out. */
export function ExplainSection({ name }: { readonly name: string }) {
  const { query } = route.value;
  const typed = Object.fromEntries(QUESTIONS.map(({ name: field }) => [field, query[field]]));
  const answer = useExplanation(name, typed);
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
              onChange={(event) => setQuery({ [field]: event.currentTarget.value.trim() })}
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
            {taken === 1 ? (
              <strong>The only instance</strong>
            ) : (
              <>
                One of <strong>{counted(taken, 'instance')}</strong>
              </>
            )}
            , by <strong>{words(strategy)}</strong>
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
        <VirtualList
          class="explained"
          label="What a request would meet"
          items={instances}
          keyOf={({ instance_id: id }) => id}
          rowHeight={isNarrow.value ? 52 : 38}
          header={<Header />}
          render={(instance) => <ExplainedRow instance={instance} />}
        />
      </div>
    </>
  );
}

function Header() {
  return ['Instance', 'Takes it?', 'Weight', 'In flight', 'Expected latency', 'Circuit'].map((title) => (
    <span role="columnheader" key={title} class={NUMBERS.has(title) ? 'is-number' : undefined}>
      {title}
    </span>
  ));
}

const NUMBERS: ReadonlySet<string> = new Set(['Weight', 'In flight', 'Expected latency']);

type Explained = Explanation['instances'][number];

function ExplainedRow({ instance }: { readonly instance: Explained }) {
  const { instance_id: id, status, reason = '', latency_ms: latency, circuit } = instance;
  return (
    <>
      <span role="cell" class="with-icon">
        <StatusIcon status={status} />
        <span class="visually-hidden">{words(status)} </span>
        <span class="cut">{id}</span>
      </span>
      <span role="cell" class="cut" title={reason}>
        {instance.taken ? 'may be picked' : `no: ${words(reason)}`}
      </span>
      <span role="cell" class="is-number">
        {instance.weight}
        {instance.slow_start < 1 && <span class="muted"> × {percent(instance.slow_start)}</span>}
      </span>
      <span role="cell" class="is-number">
        {instance.active}
      </span>
      <span role="cell" class="is-number">
        {latency === 0 ? '–' : ms(latency)}
      </span>
      <span role="cell">{circuit ? words(circuit.state) : '–'}</span>
    </>
  );
}
