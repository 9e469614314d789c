import { type CommunicatorDefaults, type ServiceCallRequest } from 'nest-service-discovery/core';
import { SERVICE, type World } from '../engine/world.js';

/** Makes one call; resolves with whether its caller got what it wanted. A rejection means no. */
export type Caller = (request: ServiceCallRequest) => Promise<boolean>;

/** One way to call a service: a row of a table. */
export interface Setup {
  readonly name: string;
  /** A calling process; its name determines its random draws. */
  open(world: World, process?: string): Caller;
}

/** The communicator with these options. */
export function ours(name: string, options: CommunicatorDefaults): Setup {
  return {
    name,
    open: (world, process) => {
      const communicator = world.communicator(options, process);
      return async (request) => (await communicator.callService(SERVICE, request)).status < 500;
    },
  };
}
