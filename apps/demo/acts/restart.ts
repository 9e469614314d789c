import { Posting } from '../support/posting.js';
import { restartInTurn } from '../support/rolling-restart.js';
import { type Stage } from '../support/stage.js';

/** A new version is rolled out to two services while they take orders, which nobody wants twice. */
export async function restart(stage: Stage): Promise<void> {
  await restartInTurn(stage, ['order-1', 'inventory-1', 'order-2', 'inventory-2'], (caller) => [
    caller.request('order-service', 'GET', '/users/1/orders'),
    new Posting(caller, 'order-service', '/users/1/orders', ['order', 'reservation'], { sku: 'rope' }),
  ]);
}
