import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ServiceCommunicator } from 'nest-service-discovery';
import { CalledService } from '../support/called-service.js';
import { printP99 } from '../support/good-clients.js';

const INSTANCES = 4;
const ATTACKERS = 20;
const ATTACKS = 2_000;

describe('a user whose requests fail at every instance', () => {
  let search: CalledService;

  beforeAll(async () => {
    search = await CalledService.start('search', INSTANCES, ({ url }, response) => {
      response.writeHead(url === '/crashes' ? 500 : 200).end('{}');
    });
  });

  afterAll(() => search.close());

  it('opens half of the circuits at most, and other users are answered', async () => {
    const communicator = new ServiceCommunicator(search, { retry: false });
    let attacked = 0;
    const attack = async (): Promise<void> => {
      while (attacked++ < ATTACKS) {
        const { status, body } = await communicator.callService('search', { path: '/crashes' });
        await body.dump();
        expect(status).toBe(500);
      }
    };
    const attackers = Array.from({ length: ATTACKERS }, attack);
    const times: number[] = [];
    while (attacked < ATTACKS) {
      const began = performance.now();
      expect(await communicator.callServiceJson('search', { path: '/' })).toEqual({});
      times.push(performance.now() - began);
    }
    await Promise.all(attackers);
    const open = communicator.circuitBreakers('search').filter(({ state }) => state !== 'closed');
    expect(open).toHaveLength(INSTANCES / 2);
    printP99(`calls beside ${ATTACKS} that fail at every instance`, times);
  });
});
