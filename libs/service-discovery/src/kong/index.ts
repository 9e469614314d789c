/** Reads the declarative configuration of Kong and makes options of this package of it. */
export { type KongSource } from './kong-node.js';
export { KongImporter, type KongImport, type KongImporterOptions, type KongOptions } from './kong-importer.js';
export { type Environment as KongEnvironment } from './placeholders.js';
export { KongImportError, type KongPlace, type KongProblem } from './problems.js';
export {
  formatKongReport,
  type KongOutcome,
  type KongReport,
  type KongWarning,
  type ReportedEntity,
  type ReportedField,
} from './report.js';
