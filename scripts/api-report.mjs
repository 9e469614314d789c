/**
 * Reports what each entry point exports, with the types that it refers to, and compares the reports with those that are committed:
 * a change of the public surface then shows in a diff. With `--write` the committed ones are replaced.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { emitDeclarations, ENTRIES, reportsOf } from './public-api.mjs';

const folder = join(import.meta.dirname, '../libs/service-discovery/api');
const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
/** Names that say what these are; their fields have the docstrings. */
const NEEDS_NO_DOCSTRING = /^DEFAULT_|(Deps|Options)$/;
/** The entry that an exported name is reported for. */
const entryOf = new Map();

function check({ entry, own }) {
  for (const { name, docstring } of own) {
    if (!NEEDS_NO_DOCSTRING.test(name) && docstring === '') fail(`${name} of ${ENTRIES[entry]} has no docstring`);
    const other = entryOf.get(name);
    if (other) fail(`${name} is one thing in ${ENTRIES[other]} and another in ${ENTRIES[entry]}`);
    entryOf.set(name, entry);
  }
}

function code(names) {
  const text = names.flatMap(({ name, declarations }) => {
    const namespace = name.includes('.') ? [`// ${name}`] : [];
    return [...namespace, ...declarations({ comments: false })];
  });
  return ['```ts', ...text, '```'].join('\n');
}

function textOf({ entry, count, own, others, inner }) {
  return [
    `# ${ENTRIES[entry]}: ${count} names`,
    'Made by `npm run generate:api`.',
    ...others.flatMap(({ from, names }) => [
      `## As ${ENTRIES[from]} exports them`,
      names.map((name) => `\`${name}\``).join(', '),
    ]),
    '## Exported',
    code(own),
    ...(inner.length > 0 ? ['## Not exported, but part of the types above', code(inner)] : []),
  ].join('\n\n');
}

function fail(message) {
  console.error(`api-report: ${message}`);
  process.exitCode = 1;
}

await mkdir(folder, { recursive: true });
for (const report of reportsOf(emitDeclarations())) {
  check(report);
  const path = join(folder, `${report.entry}.api.md`);
  const text = await format(textOf(report), { ...(await resolveConfig(path)), filepath: path });
  const committed = await readFile(path, 'utf8').catch(() => '');
  if (text === committed) continue;
  if (values.write) await writeFile(path, text);
  else fail(`${path} differs from what is exported: npm run generate:api, and commit what is meant`);
}
