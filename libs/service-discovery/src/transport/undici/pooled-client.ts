import { Client, type Dispatcher } from 'undici';
import { type Exchange } from './exchange.js';

/**
 * One connection of a pool. To undici's pool a client that refuses a request, for a header that is none, looks like one
 * that is busy, and it waits for ever to hear that it is free again: as many such requests as there are connections, and
 * the instance is out of reach.
 */
export class PooledClient extends Client {
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return super.dispatch(options, handler) || (options as Exchange).hasFailed;
  }
}
