import { getJson, postJson } from '../support/http.js';
import { type Body, get, Load } from '../support/load.js';
import { paceOf } from '../support/pace.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

interface CircuitBreakers {
  circuit_breakers: readonly { service_name: string; instance_id: string; state: string; failures: number }[];
}

/** An instance that fails calls while its health check passes: only callers can tell, and they do. */
export async function circuit(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const sick = stage.process('inventory-2');
  const tell = (failing: boolean): Promise<void> => postJson(`${sick.url}/chaos`, { failing });
  const stateOf = async (): Promise<string | undefined> => {
    const url = `${stage.process('gateway').url}/service-discovery/circuit-breakers`;
    const { circuit_breakers: breakers } = await getJson<CircuitBreakers>(url, stage.authorization);
    return breakers.find(({ instance_id: id }) => id === sick.instanceId)?.state;
  };
  const becomes = (state: string): Promise<string> =>
    waitFor(`the circuit of inventory-2 to be ${state}`, async () => ((await stateOf()) === state ? state : undefined));

  const requests = ['anvil', 'lantern', 'rope'].map((sku) => get(stage.shop(`/stock/${sku}`)));
  const load = new Load({
    requests,
    rate: await paceOf(requests, 150, print),
    fault: ({ available }: Body) => (available === null ? 'the stock is not known' : undefined),
  });
  await load.more(50);
  await tell(true);
  print.say('inventory-2 answers every call with 503 from now on; its health check still passes');
  await becomes('open');
  print.say("the gateway's circuit for inventory-2 is open: it gets no calls");
  const whileOpen = new Map(load.servedBy);
  await load.more(100);
  claims.check(
    'a failing instance opens its circuit, and its callers do not notice',
    load.failures.length === 0 && load.servedBy.get('inventory-2') === whileOpen.get('inventory-2'),
    `${load.failures.length} of ${load.answered} failed`,
  );

  await tell(false);
  print.say('inventory-2 is well again');
  await becomes('closed');
  const answered = load.servedBy.get('inventory-2') ?? 0;
  await load.more(100);
  await load.stop();
  print.bars(load.servedBy);
  claims.check(
    'after the recovery time a probe closes the circuit, and calls come back',
    (load.servedBy.get('inventory-2') ?? 0) > answered && load.failures.length === 0,
    `${load.failures.length} of ${load.answered} failed`,
  );
  print.faults(load.failures);
}
