import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CommunicatorOptions } from '../../libs/service-discovery/src/core.js';
import { cannedHttpServer } from '../../bench/calls/servers/canned-http.js';
import { addSources, buildPackage } from './built-package.js';
import { type HotPathCounts } from './hot-path/main.js';

const exec = promisify(execFile);
export const INSTANCES = 3;
export const CONCURRENCY = 64;

/** A client's process that has made its calls. */
export interface HotPathRun {
  readonly counts: HotPathCounts;
  /** How many connections its servers took. */
  readonly connections: number;
  /** Of each call after a burst at the start, in a process of its own: of the library, and with undici. */
  readonly oldBytesPerCall: Readonly<Record<'own' | 'hedged' | 'lastGood' | 'overUndici', number>>;
}

/** @param many how many calls are made to see what they leave behind */
export async function runHotPath(many: number): Promise<HotPathRun> {
  let connections = 0;
  const servers = Array.from({ length: INSTANCES }, () => cannedHttpServer().on('connection', () => connections++));
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  const built = await buildPackage({ name: 'hot-path', type: 'module' });
  try {
    await addSources(built, 'test/support/hot-path');
    const ports = servers.map((server) => (server.address() as AddressInfo).port).join(',');
    // What optimized code allocates depends on when it was optimized, and so on how busy the machine is. Code that is thrown
    // away for its age would hide what is left behind.
    const flags = ['--expose-gc', '--no-opt', '--no-flush-bytecode'];
    const args = [...flags, join(built.consumer, 'main.js'), ports, `${CONCURRENCY}`, `${many}`];
    const { stdout } = await exec(process.execPath, args);
    // V8 allocates in the old generation what it saw survive, but decides so only once the young one has its full size.
    const fullSize = ['--min-semi-space-size=16', '--max-semi-space-size=16'];
    const burst = async (options: CommunicatorOptions, ...over: string[]): Promise<number> => {
      const script = [join(built.consumer, 'burst.js'), JSON.stringify(options)];
      return Number((await exec(process.execPath, ['--expose-gc', ...fullSize, ...script, ...over])).stdout);
    };
    const counted = connections;
    const oldBytesPerCall = {
      own: await burst({}),
      // No attempt takes that long.
      hedged: await burst({ hedging: { delay: '9s' } }),
      lastGood: await burst({ lastGood: {} }),
      overUndici: await burst({}, ports),
    };
    return { counts: JSON.parse(stdout) as HotPathCounts, connections: counted, oldBytesPerCall };
  } finally {
    for (const server of servers) server.close();
    await built.remove();
  }
}
