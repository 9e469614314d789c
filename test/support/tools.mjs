import { spawnSync } from 'node:child_process';

/**
 * Jest's global set-up: the tests start redis-server processes of their own. Where there is no redis-server, it is installed
 * with the system's package manager, as far as that goes without a password; else the run stops and says what to do.
 */
export default function prepareTools() {
  const binary = process.env.REDIS_SERVER_BIN ?? 'redis-server';
  if (runs(binary, ['--version'])) return;
  if (process.env.REDIS_SERVER_BIN === undefined) {
    for (const [command, ...args] of installCommands()) {
      console.error(`redis-server is missing: running ${[command, ...args].join(' ')}`);
      spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    }
    if (runs(binary, ['--version'])) return;
  }
  throw new Error(
    `The tests need redis-server (7 or later), and "${binary}" does not run. Install it (Debian and Ubuntu: ` +
      'sudo apt-get install redis-server; macOS: brew install redis), or set REDIS_SERVER_BIN to its path.',
  );
}

/** What installs Redis here without asking for anything; empty where nothing does. */
function installCommands() {
  if (process.platform === 'darwin') return runs('brew', ['--version']) ? [['brew', 'install', 'redis']] : [];
  if (process.platform !== 'linux' || !runs('apt-get', ['--version'])) return [];
  const isRoot = process.getuid() === 0;
  if (!isRoot && !runs('sudo', ['-n', 'true'])) return [];
  const asRoot = isRoot ? ['env'] : ['sudo', '-n', 'env'];
  const aptGet = [...asRoot, 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq'];
  return [
    [...aptGet, 'update'],
    [...aptGet, 'install', '-y', '--no-install-recommends', 'redis-server'],
  ];
}

function runs(command, args) {
  const { error, status } = spawnSync(command, args, { stdio: 'ignore' });
  return !error && status === 0;
}
