/**
 * Makes `lua-scripts.ts` of the Lua scripts of the Redis store: their sources as strings, so that they are in the
 * published package, each behind a function whose types are what the script's header says.
 *
 *   node scripts/generate-lua.mjs           writes the file
 *   node scripts/generate-lua.mjs --check   fails when the file is not what would be written
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { format, resolveConfig } from 'prettier';

const store = join(dirname(import.meta.dirname), 'libs/service-discovery/src/store/redis');
const target = join(store, 'lua-scripts.ts');

/** Types in the header, for arguments and for replies. */
const ARGUMENT_TYPES = { text: 'string', number: 'number' };
const REPLY_TYPES = { text: 'string', number: 'number', numbers: 'readonly number[]', list: 'readonly unknown[]' };

/** Parses the comment that a script starts with. */
function parseHeader(name, source) {
  const header = { name, summary: [], keys: [], args: [], rest: undefined, reply: undefined, includes: [] };
  let open;
  for (const line of source.split('\n')) {
    if (!line.startsWith('-- ')) break;
    const [, tag, text] = /^-- (?:@(\w+) )?(.*)$/.exec(line);
    if (tag === undefined) {
      if (open) open.text += ` ${text.trim()}`;
      else header.summary.push(text);
      continue;
    }
    const [, word, more = ''] = /^(\S+)(?: (.*))?$/.exec(text);
    open = { word, text: more };
    if (tag === 'key') header.keys.push(open);
    else if (tag === 'arg') header.args.push(open);
    else if (tag === 'args') header.rest = open;
    else if (tag === 'reply') header.reply = open;
    else if (tag === 'include') header.includes.push(word);
    else throw new Error(`${name}.lua: unknown tag @${tag}`);
  }
  if (header.summary.length === 0 || !header.reply) throw new Error(`${name}.lua: the header needs a text and @reply`);
  return header;
}

const withoutComments = (source) =>
  source
    .split('\n')
    .filter((line) => !line.trim().startsWith('--'))
    .join('\n')
    .trim();

function typeOf(table, word, name) {
  const type = table[word];
  if (!type) throw new Error(`${name}.lua: unknown type ${word}`);
  return type;
}

/** `id text: the instance id` → its type and its description. */
function argument({ word, text }, name) {
  const [, type, description] = /^(\w+):? ?(.*)$/.exec(text);
  return { name: word, type: typeOf(ARGUMENT_TYPES, type, name), description };
}

async function wrap(file) {
  const name = file.replace(/\.lua$/, '');
  const source = await readFile(join(store, 'lua', file), 'utf8');
  const header = parseHeader(name, source);
  const libraries = await Promise.all(
    header.includes.map((library) => readFile(join(store, 'lua/lib', `${library}.lua`), 'utf8')),
  );
  const keys = header.keys.map(({ word }) => word);
  const prelude = `local KEYS = { ${keys.map((key, index) => `${key} = KEYS[${index + 1}]`).join(', ')} }`;
  const whole = [prelude, ...[...libraries, source].map(withoutComments)].join('\n');
  const args = header.args.map((arg) => argument(arg, name));
  const rest = header.rest && argument(header.rest, name);
  const reply = typeOf(REPLY_TYPES, header.reply.word.replace(/:$/, ''), name);
  const parameters = [
    ...args.map((arg) => `${arg.name}: ${arg.type}`),
    ...(rest ? [`...${rest.name}: ${rest.type}[]`] : []),
  ];
  const doc = [
    ...header.summary,
    ...header.keys.map(({ word, text }) => `- key \`${word}\`: ${text}`),
    ...[...args, ...(rest ? [rest] : [])].map((arg) => `- argument \`${arg.name}\`: ${arg.description}`),
    `- reply: ${header.reply.text}`,
  ];
  const identifier = name.replaceAll(/-(\w)/g, (_match, letter) => letter.toUpperCase());
  return [
    '/**',
    ...doc.map((line) => ` * ${line}`),
    ' */',
    `export const ${identifier} = luaScript<'${keys.join("' | '")}', [${parameters.join(', ')}], ${reply}>(`,
    `'${name}', [${keys.map((key) => `'${key}'`).join(', ')}],`,
    `\`${whole.replaceAll(/[\\`]|\$\{/g, '\\$&')}\`);`,
  ].join('\n');
}

const files = (await readdir(join(store, 'lua'))).filter((file) => file.endsWith('.lua')).sort();
const parts = [
  '/** Generated from the scripts in lua/ by `npm run generate:lua`: change them there. */',
  "import { luaScript } from './lua-call.js';",
  ...(await Promise.all(files.map(wrap))),
];
const generated = await format(parts.join('\n\n'), { ...(await resolveConfig(target)), filepath: target });

if (process.argv.includes('--check')) {
  const present = await readFile(target, 'utf8').catch(() => '');
  if (present !== generated) {
    console.error('store/redis/lua-scripts.ts is stale: run npm run generate:lua');
    process.exitCode = 1;
  }
} else {
  await writeFile(target, generated);
}
