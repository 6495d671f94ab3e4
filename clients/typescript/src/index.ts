export {
  AudoticsClient,
  type BlockKind,
  type Item,
  type ListQuery,
  type PlaylistFormat,
  type Query,
  type Slate,
} from "./client.js";
export {
  AudoticsError,
  NoAnswerError,
  ProblemError,
  problemOf,
  type ErrorStatus,
  type Operation,
  type Problem,
} from "./errors.js";
export { memoryStorage, type KeyValueStorage } from "./kept.js";
export type { Answer, CallOptions, ClientEvent, ClientOptions, Credential, RetryOptions } from "./options.js";
export type { PageAnswer } from "./pages.js";
export type { components, operations, paths } from "./schema.js";
