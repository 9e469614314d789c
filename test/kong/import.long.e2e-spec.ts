import { expect, it } from '@jest/globals';
import { KongImporter } from 'nest-service-discovery/kong';
import { report } from '../support/timing.js';

const SERVICES = 5_000;
/** Of processor time: four times what it takes on a busy machine, since the work of Jest counts too. */
const SECONDS = 20;

it('imports 5,000 services with an upstream and two targets each within seconds', () => {
  const of = (make: (index: number) => string): string =>
    Array.from({ length: SERVICES }, (_, index) => make(index)).join('');
  const text = `_format_version: "3.0"
services:
${of((index) => `- name: s${index}\n  host: u${index}\n  retries: ${index % 4}\n  read_timeout: 2000\n  tags: [a, b]\n`)}
upstreams:
${of(
  (index) => `- name: u${index}
  healthchecks:
    active:
      healthy: { interval: 5, successes: 2 }
      unhealthy: { interval: 5, http_failures: 3 }
  targets:
  - { target: 10.0.0.1:${index + 1}, weight: 10 }
  - { target: 10.0.0.2:${index + 1} }
`,
)}`;
  const before = process.cpuUsage();
  const imported = new KongImporter({ env: {} }).importSources([{ file: 'kong.yaml', text }]);
  const { user, system } = process.cpuUsage(before);
  report(`imported ${SERVICES} services in ${((user + system) / 1e6).toFixed(1)} s of processor time`);
  expect(imported.options.services).toHaveLength(SERVICES);
  expect(Object.keys(imported.options.patterns)).toHaveLength(4);
  expect(imported.registrations).toHaveLength(2 * SERVICES);
  expect((user + system) / 1e6).toBeLessThan(SECONDS);
});
