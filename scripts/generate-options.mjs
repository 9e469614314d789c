/** Writes the rows of docs/reference/configuration.md that follow from the option groups of the compiled sources. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { variableFor } from '../dist/modules/nest/options/environment.js';
import { OPTION_GROUPS } from '../dist/modules/nest/options/known-options.js';
import { readDocstrings, withOptionRows } from './option-tables.mjs';

const root = join(import.meta.dirname, '..');
const page = join(root, 'docs/reference/configuration.md');
const docstrings = await readDocstrings(join(root, 'libs/service-discovery/src'));
await writeFile(page, withOptionRows(await readFile(page, 'utf8'), OPTION_GROUPS, docstrings, variableFor));
