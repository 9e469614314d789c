/** Writes the OpenAPI document of the REST API, as described by the compiled sources, to the file in the package. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { openApiDocument } from '../dist/modules/nest/rest/openapi/document.js';

const library = join(import.meta.dirname, '../libs/service-discovery');
const target = join(library, 'openapi.json');
const { version } = JSON.parse(await readFile(join(library, 'package.json'), 'utf8'));
const options = { ...(await resolveConfig(target)), filepath: target };
await writeFile(target, await format(JSON.stringify(openApiDocument(version)), options));
