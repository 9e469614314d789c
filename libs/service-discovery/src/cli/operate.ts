import { type RegistryClient } from '../client/index.js';
import { type CircuitCommand } from '../communicator/index.js';
import { type OperatorStatus, statusInWords } from '../model/index.js';
import { COMMAND, type Output } from './output.js';

/** Takes an instance out of traffic, or back into it. */
export async function setStatus(
  registry: RegistryClient,
  out: Output,
  [serviceName, instanceId]: readonly [string, string],
  status: OperatorStatus,
  reason: string | undefined,
): Promise<void> {
  const answer = await registry.setStatus({ serviceName, instanceId }, status, { reason });
  out.show(answer, () => {
    out.line(`${serviceName}/${instanceId} is ${out.status(answer.status, statusInWords(answer.status))}`);
    if (status !== 'up') out.line(`Undo: ${COMMAND} up ${serviceName} ${instanceId}`);
  });
}

/** @param instanceId undefined: the circuit of the service as a whole */
export async function setCircuit(
  registry: RegistryClient,
  out: Output,
  service: string,
  instanceId: string | undefined,
  state: CircuitCommand,
): Promise<void> {
  const answer = await registry.forceCircuit(service, instanceId, state);
  const target = [service, instanceId].filter(Boolean).join('/');
  out.show(answer, () => out.line(`The circuit of ${target} is ${state}, for the calls of ${registry.url}`));
}
