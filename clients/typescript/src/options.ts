import type { KeyValueStorage } from "./kept.js";

/** An API key or a token, or what gives one: it is called for each request, and again where the API refused what it gave. */
export type Credential = string | ((asked: { refused?: string }) => string | undefined | Promise<string | undefined>);

export interface RetryOptions {
  /** How often a request is repeated at most; 3 unless told. */
  retries: number;
  /** The first wait is up to so long, and each that follows up to twice as long, in milliseconds; 250. */
  baseMs: number;
  /** No wait of our own is longer than this; 10,000. */
  longestMs: number;
  /** No call waits for longer than this in all; 30,000. If the API asks for more, the call ends at once. */
  patienceMs: number;
}

/** What the client tells of what it does. */
export type ClientEvent =
  | { kind: "retry"; path: string; attempt: number; waitMs: number; status: number | undefined; error: Error }
  | { kind: "stale"; path: string; ageSeconds: number; error: unknown }
  | { kind: "restart"; path: string; error: Error }
  | { kind: "storage"; error: unknown };

export interface ClientOptions {
  /** Where the API is, such as `https://music.example.org`; a path in front of `/v1` may follow. */
  baseUrl: string;
  /** Sent as `Authorization: Bearer ...`; none for an API that asks nobody. */
  credential?: Credential | undefined;
  /**
   * Whose credential that is. Answers are kept under it, so that they outlive a token; without it they are kept under a
   * digest of the key or token. Another person must have another account.
   */
  account?: string | undefined;
  /** Where answers are kept; in memory unless told. `localStorage` will do. */
  storage?: KeyValueStorage | undefined;
  /** How many answers are kept at most, of everybody; 200 unless told, 0 for none. */
  keep?: number | undefined;
  /** How long one request may take, in milliseconds; 10,000 unless told. */
  timeoutMs?: number | undefined;
  retry?: Partial<RetryOptions> | undefined;
  /** Told of what the client does, for logs. */
  onEvent?: ((event: ClientEvent) => void) | undefined;
  /** The fetch to use. */
  fetch?: typeof fetch | undefined;
}

/** What may be said of one call. */
export interface CallOptions {
  /** Ends the call, waits included. */
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  retries?: number | undefined;
}

/** What a call answers. */
export interface Answer<T> {
  data: T;
  /** Whether the API could not be reached, so that this is what it said last. */
  stale: boolean;
  /** How long ago the API was asked for it, in seconds; 0 unless stale. */
  ageSeconds: number;
  /** By this id the server's log knows the request; undefined where there was no answer. */
  requestId: string | undefined;
}
