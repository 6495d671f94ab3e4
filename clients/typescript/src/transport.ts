import { AudoticsError, NoAnswerError, ProblemError, parseProblem, type Operation } from "./errors.js";
import type { CallOptions, ClientEvent, RetryOptions } from "./options.js";

/** A request. All that the API has may be repeated: reads, and writes after which things are as they were after the first. */
export interface Request {
  operation: Operation;
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** With its query, from `/v1` on. */
  path: string;
  headers: Record<string, string>;
  body?: unknown;
  /** Of what media type an answer with a body is. */
  accepts: string;
}

/** What the API answered, where that was no error. */
export interface Received {
  status: number;
  text: string;
  headers: Headers;
}

const RETRIED = new Set([429, 502, 503, 504]);

export const DEFAULT_RETRY: RetryOptions = { retries: 3, baseMs: 250, longestMs: 10_000, patienceMs: 30_000 };

/**
 * How long to wait before trying again, in milliseconds: by chance up to a bound that doubles, so that clients do not
 * come back all at once; and on top of what the API asks for.
 */
export function waitBefore(
  attempt: number,
  retryAfterSeconds: number | undefined,
  retry: RetryOptions,
  chance = Math.random(),
): number {
  return (retryAfterSeconds ?? 0) * 1000 + chance * Math.min(retry.longestMs, retry.baseMs * 2 ** (attempt - 1));
}

/** Sends requests, and sends them again where that may help. */
export class Transport {
  readonly #baseUrl: string;
  readonly #fetch: typeof fetch;
  readonly #timeoutMs: number;
  readonly #retry: RetryOptions;
  readonly #tell: (event: ClientEvent) => void;

  constructor(
    baseUrl: string,
    send: typeof fetch,
    timeoutMs: number,
    retry: RetryOptions,
    tell: (event: ClientEvent) => void,
  ) {
    this.#baseUrl = baseUrl;
    this.#fetch = send;
    this.#timeoutMs = timeoutMs;
    this.#retry = retry;
    this.#tell = tell;
  }

  /** What the API answers. Throws ProblemError, NoAnswerError, and the reason of the caller's signal. */
  async send(request: Request, options: CallOptions): Promise<Received> {
    const retries = options.retries ?? this.#retry.retries;
    let patience = this.#retry.patienceMs;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(request, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!(error instanceof AudoticsError) || !isRetried(error) || attempt > retries) throw error;
        const retryAfter = error instanceof ProblemError ? error.retryAfterSeconds : undefined;
        const waitMs = waitBefore(attempt, retryAfter, this.#retry);
        patience -= waitMs;
        if (patience < 0) throw error;
        const status = error instanceof ProblemError || error instanceof NoAnswerError ? error.status : undefined;
        this.#tell({ kind: "retry", path: request.path, attempt, waitMs, status, error });
        await waited(waitMs, options.signal);
      }
    }
  }

  async #once(request: Request, options: CallOptions): Promise<Received> {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? this.#timeoutMs);
    const json = request.body === undefined ? {} : { "Content-Type": "application/json" };
    let received: Received;
    try {
      const response = await this.#fetch(this.#baseUrl + request.path, {
        method: request.method,
        headers: { Accept: `${request.accepts}, application/problem+json`, ...json, ...request.headers },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        signal: options.signal ? AbortSignal.any([timeout, options.signal]) : timeout,
        // This client keeps answers by whose they are; a browser would keep them by their address alone.
        cache: "no-store",
        credentials: "omit",
        // The API never sends anybody elsewhere; what wants a login for a network does.
        redirect: "error",
      });
      received = { status: response.status, headers: response.headers, text: await response.text() };
    } catch (error) {
      options.signal?.throwIfAborted();
      const what = timeout.aborted ? "the API did not answer in time" : "the API cannot be reached";
      throw new NoAnswerError(what, undefined, error);
    }
    return accepted(request, received);
  }
}

function accepted(request: Request, received: Received): Received {
  const { status, text, headers } = received;
  const writes = request.method === "PUT" || request.method === "DELETE";
  if (writes && status === 204) return received;
  if (status === 304 && request.method === "GET" && request.headers["If-None-Match"] !== undefined) return received;
  const type = headers.get("content-type") ?? "";
  if (!writes && status === 200 && type.startsWith(request.accepts)) return received;
  const problem = type.startsWith("application/problem+json") ? parseProblem(text) : undefined;
  if (problem === undefined)
    throw new NoAnswerError(`something else answered in place of the API, with ${status}`, status);
  throw new ProblemError(request.operation, problem, secondsOf(headers.get("retry-after")));
}

function secondsOf(retryAfter: string | null): number | undefined {
  // Proxies may give a date.
  const seconds =
    retryAfter === null
      ? NaN
      : /^\d+$/.test(retryAfter)
        ? Number(retryAfter)
        : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

function isRetried(error: AudoticsError): boolean {
  if (error instanceof ProblemError) return RETRIED.has(error.status);
  return (
    error instanceof NoAnswerError && (error.status === undefined || error.status < 400 || RETRIED.has(error.status))
  );
}

/** Whether the API is out of reach, so that what it said last may be shown. */
export function isOutOfReach(error: unknown): boolean {
  if (error instanceof NoAnswerError) return isRetried(error);
  // Of a list that the API holds back, as it may hold what the user has blocked, an old one is no better.
  return (
    error instanceof ProblemError && error.status === 503 && error.type !== "urn:audotics:problem:contract-mismatch"
  );
}

/** What a promise gives, unless a signal says first that nobody waits for it any more. */
export async function raced<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  return await new Promise<T>((resolve, reject) => {
    const aborted = (): void => reject(signal.reason);
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}

async function waited(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    }
  });
}
