import { Posting } from '../support/posting.js';
import { restartInTurn } from '../support/rolling-restart.js';
import { type Stage } from '../support/stage.js';

/** Rolls a new version of two services out while they take orders, which must not be placed twice. */
export async function restart(stage: Stage): Promise<void> {
  await restartInTurn(stage, ['order-1', 'inventory-1', 'order-2', 'inventory-2'], (caller) => [
    caller.request('order-service', 'GET', '/users/1/orders'),
    new Posting(caller, 'order-service', '/users/1/orders', ['order', 'reservation'], { sku: 'rope' }),
  ]);
}
