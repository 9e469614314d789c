/** The client of the REST API, and what the API answers with: JSON in snake_case, times in ISO 8601, lengths of time in seconds unless named `_ms`. */
export type * from './answers.js';
export type * from './insight-answers.js';
export {
  type ExplainQuestion,
  type RegistrationBody,
  RegistryClient,
  type RolloutRequest,
  WrongFieldsError,
} from './registry-client.js';
