import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceCommunicator } from 'nest-service-discovery';
import { type CommunicatorDefaults } from 'nest-service-discovery/core';
import { CalledService } from '../support/called-service.js';

const ATTACKS = 40;

describe('a user who is over a limit of his own', () => {
  let search: CalledService;
  let attempts: number;

  beforeEach(async () => {
    attempts = 0;
    search = await CalledService.start('search', 2, ({ headers }, response) => {
      attempts++;
      response.writeHead(Number(headers['x-answer'] ?? 200)).end('{}');
    });
  });

  afterEach(() => search.close());

  async function attack(communicator: ServiceCommunicator, status: number): Promise<void> {
    for (let call = 0; call < ATTACKS; call++) {
      const { body } = await communicator.callService('search', { path: '/', headers: { 'x-answer': String(status) } });
      await body.dump();
    }
  }
  const communicatorWith = (defaults: CommunicatorDefaults): ServiceCommunicator =>
    new ServiceCommunicator(search, { serviceCircuitBreaker: {}, ...defaults });
  const statesOf = (communicator: ServiceCommunicator): Set<string> =>
    new Set(communicator.circuitBreakers().map(({ state }) => state));

  it.each([408, 429])('cuts off no other user: status %i', async (status) => {
    const communicator = communicatorWith({ retry: false });
    await attack(communicator, status);
    expect(statesOf(communicator)).toEqual(new Set(['closed']));
    expect(communicator.ejections()).toEqual([]);
    expect(await communicator.callServiceJson('search', { path: '/' })).toEqual({});
  });

  it('is tried again at another instance', async () => {
    const communicator = communicatorWith({ retry: { maxAttempts: 2, budget: false } });
    await attack(communicator, 429);
    expect(attempts).toBe(2 * ATTACKS);
  });

  it('is not told from an overloaded service where `ignoredStatuses` says so', async () => {
    const communicator = communicatorWith({ retry: false, circuitBreaker: { ignoredStatuses: [408] } });
    await expect(attack(communicator, 429)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  });
});
