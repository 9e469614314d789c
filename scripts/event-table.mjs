/** The table of docs/reference/events.md, which the declarations of the events make. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';

const library = join(import.meta.dirname, '../libs/service-discovery/src');
const FILES = ['model/events.ts', 'common/service-tls.ts'];

/** @returns the text of the page with its table as the code has it */
export async function withEventTable(page) {
  const sources = await Promise.all(FILES.map((file) => readFile(join(library, file), 'utf8')));
  const rows = sources.flatMap(rowsOf).sort();
  return page.replace(/^\| event \|[^]*?(?=\n\n)/m, () =>
    ['| event | fields | when |', '|---|---|---|', ...rows].join('\n'),
  );
}

function rowsOf(source) {
  const file = ts.createSourceFile('events.ts', source, ts.ScriptTarget.ESNext, true);
  const isOfEvents = (statement) =>
    ts.isInterfaceDeclaration(statement) && /^(ServiceDiscovery|Tls)Events$/.test(statement.name.text);
  return file.statements.filter(isOfEvents).flatMap(({ members }) => members.map(rowOf));
}

function rowOf(event) {
  const [doc] = ts.getJSDocCommentsAndTags(event);
  const fields = (event.type.members ?? []).map(
    ({ name, questionToken }) => `\`${name.text}${questionToken ? '?' : ''}\``,
  );
  const when = ts.getTextOfJSDocComment(doc.comment).replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
  return `| \`${event.name.text}\` | ${fields.join(', ')} | ${when} |`;
}
