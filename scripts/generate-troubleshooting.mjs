/** Writes the four problems of docs/troubleshooting.md, which `nest-service-discovery doctor` asks too. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toMarkdown } from '../dist/modules/cli/doctor/markdown.js';
import { PROBLEMS } from '../dist/modules/cli/doctor/problems.js';

const page = join(import.meta.dirname, '../docs/troubleshooting.md');
const text = await readFile(page, 'utf8');
const start = text.indexOf(`## ${PROBLEMS[0].title}\n`);
const end = text.indexOf('## Registered as 127.0.0.1\n');
await writeFile(page, `${text.slice(0, start)}${toMarkdown(PROBLEMS)}\n${text.slice(end)}`);
