import { ProblemError } from "./errors.js";
import { owner, userPathOf, type Kept, type KeptAnswer } from "./kept.js";
import type { Answer, CallOptions, ClientEvent, Credential } from "./options.js";
import { isOutOfReach, raced, type Received, type Request, type Transport } from "./transport.js";

/** What kept answers are kept or shown for some time without: after any other error, the answer is not so any more. */
const PASSING = new Set([429, 500, 503]);

/** Whoever gives credentials gave none. */
class CredentialError extends Error {}

/** Asks the API as whoever the credential is, and keeps what may be kept. */
export class Calls {
  readonly #baseUrl: string;
  readonly #transport: Transport;
  readonly #kept: Kept;
  readonly #credential: Credential | undefined;
  readonly #account: string | undefined;
  readonly #tell: (event: ClientEvent) => void;
  /** The reads that are on their way, and whether what they knew or bring was forgotten meanwhile. */
  readonly #reading = new Set<{ userPath: string | undefined; forgotten: boolean }>();
  /** The changes that are on their way, by their path. */
  readonly #writing = new Map<string, Promise<void>>();

  constructor(
    baseUrl: string,
    transport: Transport,
    kept: Kept,
    who: { credential: Credential | undefined; account: string | undefined },
    tell: (event: ClientEvent) => void,
  ) {
    this.#baseUrl = baseUrl;
    this.#transport = transport;
    this.#kept = kept;
    this.#credential = who.credential;
    this.#account = who.account;
    this.#tell = tell;
  }

  /** What the API answers to a GET, or what it said last where it cannot be reached. */
  async get<T>(request: Request, read: (text: string) => T, options: CallOptions): Promise<Answer<T>> {
    const reading = { userPath: userPathOf(request.path), forgotten: false };
    this.#reading.add(reading);
    try {
      return await this.#read(request, read, options, reading);
    } finally {
      this.#reading.delete(reading);
    }
  }

  async #read<T>(
    request: Request,
    read: (text: string) => T,
    options: CallOptions,
    reading: { readonly forgotten: boolean },
  ): Promise<Answer<T>> {
    let of: string | undefined;
    const known = async (): Promise<KeptAnswer | undefined> =>
      of === undefined || reading.forgotten ? undefined : await this.#kept.get(of, request.path);
    try {
      return await this.#as(options, async (credential) => {
        of = await owner(this.#baseUrl, this.#account, credential);
        const before = await known();
        const headers = { ...bearer(credential), ...(before ? { "If-None-Match": before.etag } : {}) };
        const at = Date.now();
        const received = await this.#transport.send({ ...request, headers }, options);
        const text = received.status === 304 && before ? before.text : received.text;
        const data = read(text);
        const etag = received.headers.get("etag") ?? before?.etag;
        if (of !== undefined && etag !== undefined && mayBeKept(received) && !reading.forgotten) {
          await this.#kept.put(of, request.path, { etag, at, text });
        }
        return { data, stale: false, ageSeconds: 0, requestId: idOf(received) };
      });
    } catch (error) {
      const nobody = error instanceof CredentialError;
      // Not what is kept for a credential that was refused.
      if (nobody) of = this.#account === undefined ? undefined : await owner(this.#baseUrl, this.#account, undefined);
      const cause = nobody ? error.cause : error;
      // Looked for again: another page of the browser may have forgotten it meanwhile.
      const last = nobody || isOutOfReach(error) ? await known() : undefined;
      if (last !== undefined) return this.#stale(request, last, read, cause);
      if (error instanceof ProblemError && !PASSING.has(error.status) && of !== undefined) {
        await this.#kept.remove(of, request.path);
      }
      throw cause;
    }
  }

  /** What the API answers to anything but a GET; nothing of it is kept. */
  async send<T>(request: Request, read: (text: string) => T, options: CallOptions): Promise<Answer<T>> {
    const received = await this.#as(
      options,
      async (credential) => await this.#transport.send({ ...request, headers: bearer(credential) }, options),
    ).catch((error: unknown) => {
      throw error instanceof CredentialError ? error.cause : error;
    });
    return { data: read(received.text), stale: false, ageSeconds: 0, requestId: idOf(received) };
  }

  /**
   * Change what lists of a user may hold. Of two changes at one path the second waits for the first, and what is repeated
   * of it: else the first one could be the last to arrive. What is kept for the user may show what was changed. A change
   * that is given up while it waits is not sent, and those after it wait for the first one all the same.
   */
  async change(request: Request, userPath: string, options: CallOptions): Promise<void> {
    const before = this.#writing.get(request.path) ?? Promise.resolve();
    const mine = raced(before, options.signal).then(async () => {
      try {
        await this.#forgetSafely(userPath);
        await this.send(request, () => undefined, options);
      } finally {
        await this.#forgetSafely(userPath);
      }
    });
    const done = Promise.allSettled([before, mine]).then(() => undefined);
    this.#writing.set(request.path, done);
    void done.then(() => this.#writing.get(request.path) === done && this.#writing.delete(request.path));
    await mine;
  }

  /** Forget what is kept, about one user or of everything; what is on its way is not kept either. */
  async forget(userPath?: string): Promise<void> {
    for (const each of this.#reading) {
      if (userPath === undefined || each.userPath === userPath) each.forgotten = true;
    }
    await this.#kept.forget(this.#baseUrl, userPath);
  }

  async #forgetSafely(userPath: string): Promise<void> {
    try {
      await this.forget(userPath);
    } catch (error) {
      this.#tell({ kind: "storage", error });
    }
  }

  /**
   * Do something as whoever the credential is, and once more where the API refuses it and there is another one. Throws
   * CredentialError where whoever gives credentials throws.
   */
  async #as<T>(options: CallOptions, work: (credential: string | undefined) => Promise<T>): Promise<T> {
    const given = this.#credential;
    if (typeof given !== "function") return await work(given);
    const credential = await asked(given, {}, options);
    try {
      return await work(credential);
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status !== 401 || credential === undefined) throw error;
      const other = await asked(given, { refused: credential }, options);
      if (other === undefined || other === credential) throw error;
      return await work(other);
    }
  }

  #stale<T>(request: Request, kept: KeptAnswer, read: (text: string) => T, error: unknown): Answer<T> {
    const ageSeconds = Math.max(0, Date.now() - kept.at) / 1000;
    this.#tell({ kind: "stale", path: request.path, ageSeconds, error });
    return { data: read(kept.text), stale: true, ageSeconds, requestId: undefined };
  }
}

type GivesCredentials = Exclude<Credential, string>;

async function asked(
  given: GivesCredentials,
  about: { refused?: string },
  options: CallOptions,
): Promise<string | undefined> {
  try {
    return await raced(Promise.resolve(given(about)), options.signal);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new CredentialError("there is no credential", { cause: error });
  }
}

function bearer(credential: string | undefined): Record<string, string> {
  return credential === undefined ? {} : { Authorization: `Bearer ${credential}` };
}

function mayBeKept(received: Received): boolean {
  return !/\bno-store\b/.test(received.headers.get("cache-control") ?? "");
}

function idOf(received: Received): string | undefined {
  return received.headers.get("x-request-id") ?? undefined;
}
