/** The rows of docs/reference/configuration.md that follow from the option groups: defaults, ranges and docstrings. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';

/** The range has a column: a sentence, or the end of one, that says nothing else is left out. */
const NUMBER = String.raw`\d+(?:[.,]\d+)*(?: [a-z]+)?`;
const RANGE_SENTENCE = new RegExp(`^(?:From ${NUMBER} to|A whole number|A number|An integer|\\d)`);
const RANGE_AT_END = new RegExp(`[:,] (?:an integer )?(?:from )?${NUMBER} to ${NUMBER}(?=[.;]|$)`, 'g');

/** A literal that a default begins with. */
const LITERAL = /^(?:'[^']*'|true|false|\d+(?:\.\d+)?|\[.*\]|\{.*?\})(?=$|[,;:]| \()/;

const NONE = { text: '', default: '' };

/** Options whose default in a Nest app is another one, or depends on others: their rows are written by hand. */
const BY_HAND = ['maxOfflineWrites', 'healthCheck.cron', 'mode'];

/**
 * The docstrings of all options, by the text that its group's declaration begins with.
 * @param directory of the sources
 * @returns by group name, then by option name
 */
export async function readDocstrings(directory) {
  const groups = new Map();
  for (const path of await readdir(directory, { recursive: true })) {
    if (!path.endsWith('.ts') || path.endsWith('.spec.ts')) continue;
    const text = await readFile(join(directory, path), 'utf8');
    if (!text.includes('new OptionGroup(')) continue;
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true);
    ts.forEachChild(file, function visit(node) {
      const [name, given] = node.arguments ?? [];
      const options = given && ts.isSatisfiesExpression(given) ? given.expression : given;
      if (ts.isNewExpression(node) && node.expression.getText() === 'OptionGroup' && options.properties) {
        // The groups of the top level have the same name; what a group takes from another one is documented there.
        const own = options.properties.flatMap((option) =>
          option.name ? [[option.name.text, docstringOf(option)]] : [],
        );
        groups.set(name.text, new Map([...(groups.get(name.text) ?? []), ...own]));
      }
      ts.forEachChild(node, visit);
    });
  }
  return groups;
}

function docstringOf(option) {
  const [doc] = ts.getJSDocCommentsAndTags(option);
  const byDefault = ts.getJSDocTags(option).find(({ tagName }) => tagName.text === 'default');
  return {
    text: plain(ts.getTextOfJSDocComment(doc?.comment)),
    default: plain(ts.getTextOfJSDocComment(byDefault?.comment)),
  };
}

function plain(text = '') {
  return (
    text
      .replaceAll(/\{@link (\w+)\}/g, '`$1`')
      // A list goes on in its sentence.
      .replaceAll(/(:?)\n\s*- /g, (_, colon) => (colon === '' ? '; ' : ': '))
      .replaceAll(/\s+/g, ' ')
      .trim()
  );
}

/**
 * Replaces the rows of all options that a group states, and leaves the rest of the page.
 * @param page the text of the page
 * @param groups by the path of their options, such as `retry`; empty: at the top level
 * @param docstrings see {@link readDocstrings}
 * @param variableFor the environment variable of an option's path
 */
export function withOptionRows(page, groups, docstrings, variableFor) {
  const rows = new Map();
  for (const [path, group] of Object.entries(groups)) {
    for (const [name, option] of Object.entries(group.options)) {
      const at = path === '' ? name : `${path}.${name}`;
      rows.set(at, rowOf(at, option, docstrings.get(group.name)?.get(name) ?? NONE, variableFor(at)));
    }
  }
  const [tables, ...rest] = page.split('\n## Presets');
  const written = tables.replaceAll(/^\| `([\w.]+)`.* \|$/gm, (row, path) =>
    BY_HAND.includes(path) ? row : (rows.get(path) ?? row),
  );
  return [written, ...rest].join('\n## Presets');
}

function rowOf(path, option, docstring, variable) {
  const name = `\`${path}\`${variable === undefined ? '' : ` (\`${variable}\`)`}`;
  const sentences = docstring.text.split(/(?<=\.) (?=[A-Z\d`])/);
  const text = sentences
    .filter((sentence) => !RANGE_SENTENCE.test(sentence))
    .join(' ')
    .replaceAll(RANGE_AT_END, '')
    // The variable stands in the first column.
    .replace(/^`SERVICE_DISCOVERY_\w+`: (\w)/, (_, first) => first.toUpperCase());
  return `| ${[name, defaultOf(option, docstring), option.range, text].map(cell).join(' | ')} |`;
}

function defaultOf(option, docstring) {
  if (docstring.default !== '') return docstring.default.replace(LITERAL, (literal) => `\`${literal}\``);
  return option.presence === 'required' ? 'required' : 'none';
}

const cell = (text) => text.replaceAll('|', '\\|');
