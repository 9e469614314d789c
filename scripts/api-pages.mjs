/** What each entry point exports as a page of the site: the declarations, with their docstrings. */
import { emitDeclarations, ENTRIES, reportsOf } from './public-api.mjs';

const specifierOf = (entry) => `nest-service-discovery${ENTRIES[entry].slice(1)}`;
const fileOf = (entry) => (entry === 'index' ? 'main' : entry);
const anchorOf = (name) => name.toLowerCase().replaceAll('.', '');
const linkTo = (entry, name) => `[\`${name}\`](/reference/api/${fileOf(entry)}#${anchorOf(name)})`;

/** @returns the texts of the pages by name */
export function apiPages() {
  const reports = reportsOf(emitDeclarations());
  const pages = reports.map((report) => [fileOf(report.entry), pageOf(report)]);
  return { index: overview(reports), ...Object.fromEntries(pages) };
}

function overview(reports) {
  return [
    '# API',
    'Every exported name with its declaration and docstring, by entry point:',
    ...reports.map(({ entry, own }) =>
      [
        `## API of ${specifierOf(entry)}`,
        `[${own.length} names of its own](/reference/api/${fileOf(entry)}): ${own.map(({ name }) => linkTo(entry, name)).join(', ')}`,
      ].join('\n\n'),
    ),
  ].join('\n\n');
}

function pageOf({ entry, own, others, inner }) {
  return [
    `---\noutline: false\nprev: false\nnext: false\n---\n\n# API of ${specifierOf(entry)}`,
    ...others.map(
      ({ from, names }) =>
        `As \`${specifierOf(from)}\` exports them: ${names.map((name) => linkTo(from, name)).join(', ')}.`,
    ),
    ...own.map((exported) => sectionOf(exported, 2)),
    ...(inner.length > 0 ? ['## Types that these refer to', ...inner.map((type) => sectionOf(type, 3))] : []),
  ].join('\n\n');
}

function sectionOf({ name, declarations }, level) {
  return `${'#'.repeat(level)} ${name}\n\n\`\`\`txt\n${declarations({ comments: true }).join('\n')}\n\`\`\``;
}
