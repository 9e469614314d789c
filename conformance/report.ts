import { type Result } from './run.js';
import { type Peer } from './support/peer.js';

/** Results, one line per scenario, followed by the reasons for failures. */
export function reportOf(results: readonly Result[], peers: readonly Peer[]): string {
  const scenarios = [...new Set(results.map(({ scenario }) => scenario))];
  const width = Math.max(...scenarios.map(({ length }) => length));
  const titles = peers.map(({ name, version }) => `${name} ${version}`);
  const markOf = (scenario: string, { name }: Peer): string =>
    results.find((result) => result.scenario === scenario && result.peer === name)?.mark ?? '';
  const row = (head: string, cells: readonly string[]): string =>
    [head.padEnd(width), ...cells.map((cell, index) => cell.padEnd(titles[index]!.length))].join('  ').trimEnd();
  const notes = results.flatMap(({ scenario, peer, note }) => (note ? [`${peer}, "${scenario}": ${note}`] : []));
  return [
    row('', titles),
    ...scenarios.map((scenario) =>
      row(
        scenario,
        peers.map((peer) => markOf(scenario, peer)),
      ),
    ),
    '',
    '✓ passes  ✗ does not  – has no such part',
    ...(notes.length > 0 ? ['', ...notes] : []),
  ].join('\n');
}
