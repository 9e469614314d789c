/** Writes the table of docs/reference/events.md, from the declarations of the events. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withEventTable } from './event-table.mjs';

const page = join(import.meta.dirname, '../docs/reference/events.md');
await writeFile(page, await withEventTable(await readFile(page, 'utf8')));
