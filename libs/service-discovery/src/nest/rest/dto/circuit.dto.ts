import { type CircuitCommand } from '../../../communicator/index.js';
import { Rule } from './rule.js';

const COMMANDS: readonly unknown[] = ['isolated', 'closed', 'automatic'] satisfies CircuitCommand[];

/** The body of `PUT /circuit-breakers/...`: an operator's word on a circuit. */
export class CircuitDto {
  @Rule('one of isolated, closed, automatic', (value) => COMMANDS.includes(value), { optional: false })
  state!: CircuitCommand;
}
