import type { components, operations } from "./schema.js";

/** What the API says of an error (RFC 9457). */
export type Problem = components["schemas"]["Problem"];

/** The name of an operation, as the API's description has it; methods of the client are called the same. */
export type Operation = keyof operations;

/** The statuses of the errors of an operation. */
export type ErrorStatus<Op extends Operation> = Extract<
  Exclude<keyof operations[Op]["responses"], 200 | 204 | 304>,
  number
>;

/** Any error of this client but a mistake in a call, which is a TypeError, and what the caller aborts. */
export class AudoticsError extends Error {
  override name = "AudoticsError";
}

/** The API answered with an error. */
export class ProblemError<Status extends number = number> extends AudoticsError {
  override name = "ProblemError";
  /** Which operation was asked for. */
  readonly operation: Operation;
  readonly status: Status;
  /** `about:blank`, or a URN such as `urn:audotics:problem:unknown-track`. */
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  /** By this id the server's log knows the request. */
  readonly requestId: string;
  /** With status 422: what is wrong with which field. */
  readonly errors: components["schemas"]["FieldError"][];
  /** How long the API asks to be left alone, in seconds. */
  readonly retryAfterSeconds: number | undefined;

  constructor(operation: Operation, problem: Problem & { status: Status }, retryAfterSeconds?: number) {
    super(`${problem.status} ${problem.title}: ${problem.detail}`);
    this.operation = operation;
    this.status = problem.status;
    this.type = problem.type;
    this.title = problem.title;
    this.detail = problem.detail;
    this.requestId = problem.request_id;
    this.errors = problem.errors ?? [];
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The API could not be reached in time, or something else answered in its place, such as a proxy. */
export class NoAnswerError extends AudoticsError {
  override name = "NoAnswerError";
  /** The status of what something else answered. */
  readonly status: number | undefined;

  constructor(message: string, status?: number, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

/** The error, if it is one that the API answered to this operation: its `status` is then one of those documented. */
export function problemOf<Op extends Operation>(
  operation: Op,
  error: unknown,
): ProblemError<ErrorStatus<Op>> | undefined {
  if (error instanceof ProblemError && error.operation === operation) {
    return error as ProblemError<ErrorStatus<Op>>;
  }
  return undefined;
}

/** The problem of an answer's text; undefined where it is none. */
export function parseProblem(text: string): Problem | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null && "type" in found && "detail" in found && "status" in found
      ? (found as Problem)
      : undefined;
  } catch {
    return undefined;
  }
}
