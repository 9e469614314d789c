import { CIRCUIT_COMMANDS, type CircuitCommand } from '../../../communicator/index.js';
import { ByRule, ReasonRule, Rule } from './rule.js';

const COMMANDS: readonly unknown[] = CIRCUIT_COMMANDS;

/** The body of `PUT /circuit-breakers/...`: an operator's word on a circuit. */
export class CircuitDto {
  @Rule(`one of ${CIRCUIT_COMMANDS.join(', ')}`, (value) => COMMANDS.includes(value), { optional: false })
  state!: CircuitCommand;

  @ReasonRule()
  reason?: string;

  @ByRule()
  by?: string;
}
