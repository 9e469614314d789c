import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';

/** The programs that tests start processes of. Homebrew and Debian name their packages differently. */
const TOOLS = [
  { variable: 'REDIS_SERVER_BIN', usual: 'redis-server', version: '--version', apt: 'redis-server', brew: 'redis' },
  { variable: 'NGINX_BIN', usual: 'nginx', version: '-v', apt: 'nginx', brew: 'nginx' },
];

/** Those of `npm run test:long` alone. */
const LONG_TOOLS = [
  { variable: 'CHROMIUM_BIN', usual: 'chromium', version: '--version', apt: 'chromium', brew: 'chromium' },
  { variable: 'PROMETHEUS_BIN', usual: 'prometheus', version: '--version', apt: 'prometheus', brew: 'prometheus' },
];

/**
 * Jest's global set-up: what is missing is installed with the system's package manager, if that needs no password; otherwise
 * the run stops with one message that says what to install.
 */
export default function prepareTools(_run, { globals }) {
  const tools = globals.needsLongTools ? [...TOOLS, ...LONG_TOOLS] : TOOLS;
  // Debian has nginx there, and not all users have it on their path.
  process.env.PATH = [process.env.PATH, '/usr/local/sbin', '/usr/sbin'].join(delimiter);
  const isThere = ({ variable, usual, version }) => runs(process.env[variable] ?? usual, [version]);
  const installable = tools.filter((tool) => !isThere(tool) && process.env[tool.variable] === undefined);
  for (const [command, ...args] of installable.length > 0 ? installCommands(installable) : []) {
    console.error(
      `${installable.map(({ usual }) => usual).join(', ')} missing: running ${[command, ...args].join(' ')}`,
    );
    spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const missing = tools.filter((tool) => !isThere(tool));
  if (missing.length === 0) return;
  const named = (property) => missing.map((tool) => tool[property]).join(' ');
  throw new Error(
    `The tests need what does not run here: ${missing.map(({ variable, usual }) => process.env[variable] ?? usual).join(', ')}. ` +
      `Install it (Debian and Ubuntu: sudo apt-get install ${named('apt')}; macOS: brew install ${named('brew')}), ` +
      `or set ${missing.map(({ variable }) => variable).join(', ')} to its path.`,
  );
}

/** What installs the tools here without asking for anything; empty where nothing does. */
function installCommands(tools) {
  if (process.platform === 'darwin') {
    return runs('brew', ['--version']) ? [['brew', 'install', ...tools.map(({ brew }) => brew)]] : [];
  }
  if (process.platform !== 'linux' || !runs('apt-get', ['--version'])) return [];
  const isRoot = process.getuid() === 0;
  if (!isRoot && !runs('sudo', ['-n', 'true'])) return [];
  const asRoot = isRoot ? ['env'] : ['sudo', '-n', 'env'];
  const aptGet = [...asRoot, 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq'];
  return [
    [...aptGet, 'update'],
    [...aptGet, 'install', '-y', '--no-install-recommends', ...tools.map(({ apt }) => apt)],
  ];
}

function runs(command, args) {
  const { error, status } = spawnSync(command, args, { stdio: 'ignore' });
  return !error && status === 0;
}
