import { getJson, postJson } from '../support/http.js';
import { get, Load } from '../support/load.js';
import { paceOf } from '../support/pace.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

/** `SERVICE_DISCOVERY_CIRCUIT_BREAKER_RECOVERY_TIMEOUT` of the gateway. */
const RECOVERY_MS = 2_000;

interface CircuitBreakers {
  circuit_breakers: readonly { service_name: string; instance_id: string; state: string; failures: number }[];
}

/** An instance that fails calls while its health check passes: only callers can tell, and they do. */
export async function circuit(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const sick = stage.process('user-3');
  const tell = (failing: boolean): Promise<void> => postJson(`${sick.url}/chaos`, { failing });
  const failedBy = async (): Promise<number> => (await getJson<{ failed: number }>(`${sick.url}/chaos`)).failed;
  const stateOf = async (): Promise<string | undefined> => {
    const url = `${stage.process('gateway').url}/service-discovery/circuit-breakers`;
    const { circuit_breakers: breakers } = await getJson<CircuitBreakers>(url, stage.authorization);
    return breakers.find(({ instance_id: id }) => id === sick.instanceId)?.state;
  };
  const becomes = (state: string): Promise<string> =>
    waitFor(`the circuit of user-3 to be ${state}`, async () => ((await stateOf()) === state ? state : undefined));

  const requests = [1, 2, 3].map((id) => get(stage.shop(`/users/${id}`)));
  const rate = await paceOf(requests, 150, print);
  const opening = new Load({ requests, rate });
  await opening.more(50);
  await tell(true);
  print.say('user-3 answers every call with 503 from now on; its health check still passes');
  await becomes('open');
  await opening.stop();
  print.say("the gateway's circuit for user-3 is open: it gets no calls but a probe in each recovery time");
  const before = await failedBy();
  const began = performance.now();
  const whileOpen = new Load({ requests, rate });
  await whileOpen.more(100);
  await whileOpen.stop();
  const met = (await failedBy()) - before;
  const probes = Math.floor((performance.now() - began) / RECOVERY_MS) + 1;
  const failures = [...opening.failures, ...whileOpen.failures];
  claims.check(
    'the circuit of a failing instance opens, and its callers do not notice',
    failures.length === 0 && met <= probes,
    `${met} of ${whileOpen.sent} calls reached it while it was open, ${failures.length} failed`,
  );
  print.faults(failures);

  await tell(false);
  print.say('user-3 answers normally again');
  const recovering = new Load({ requests, rate });
  await becomes('closed');
  const answered = recovering.servedBy.get('user-3') ?? 0;
  await recovering.more(100);
  await recovering.stop();
  print.bars(recovering.servedBy);
  claims.check(
    'after the recovery time a probe closes the circuit, and calls come back',
    (recovering.servedBy.get('user-3') ?? 0) > answered && recovering.failures.length === 0,
    `${recovering.failures.length} of ${recovering.answered} failed`,
  );
  print.faults(recovering.failures);
}
