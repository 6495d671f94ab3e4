import { ProblemError } from "./errors.js";
import { owner, type Kept, type KeptAnswer } from "./kept.js";
import type { Answer, CallOptions, ClientEvent, Credential } from "./options.js";
import { isOutOfReach, type Received, type Request, type Transport } from "./transport.js";

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
  /** Counts what makes answers that are on their way unfit to be kept. */
  #changes = 0;
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
    const changes = this.#changes;
    const found: { of?: string | undefined; kept?: KeptAnswer | undefined } = {};
    const look = async (credential: string | undefined): Promise<void> => {
      found.of = await owner(this.#baseUrl, this.#account, credential);
      found.kept = found.of === undefined ? undefined : await this.#kept.get(found.of, request.path);
    };
    try {
      return await this.#as(async (credential) => {
        await look(credential);
        const known = found.kept;
        const headers = { ...bearer(credential), ...(known ? { "If-None-Match": known.etag } : {}) };
        const received = await this.#transport.send({ ...request, headers }, options);
        const text = received.status === 304 && known ? known.text : received.text;
        const data = read(text);
        const etag = received.headers.get("etag") ?? known?.etag;
        if (found.of !== undefined && etag !== undefined && mayBeKept(received) && changes === this.#changes) {
          await this.#kept.put(found.of, request.path, { etag, at: Date.now(), text });
        }
        return { data, stale: false, ageSeconds: 0, requestId: idOf(received) };
      });
    } catch (error) {
      const nobody = error instanceof CredentialError;
      if (nobody && this.#account !== undefined) await look(undefined);
      const cause = nobody ? error.cause : error;
      if (found.kept !== undefined && (nobody || isOutOfReach(error)) && changes === this.#changes) {
        return this.#stale(request, found.kept, read, cause);
      }
      if (error instanceof ProblemError && !PASSING.has(error.status) && found.of !== undefined) {
        await this.#kept.remove(found.of, request.path);
      }
      throw cause;
    }
  }

  /** What the API answers to anything but a GET; nothing of it is kept. */
  async send<T>(request: Request, read: (text: string) => T, options: CallOptions): Promise<Answer<T>> {
    const received = await this.#as(
      async (credential) => await this.#transport.send({ ...request, headers: bearer(credential) }, options),
      true,
    );
    return { data: read(received.text), stale: false, ageSeconds: 0, requestId: idOf(received) };
  }

  /**
   * Change what lists of a user may hold. Of two changes at one path the second waits for the first, and what is repeated
   * of it: else the first one could be the last to arrive. What is kept for the user may show what was changed.
   */
  async change(request: Request, userPath: string, options: CallOptions): Promise<void> {
    const before = this.#writing.get(request.path) ?? Promise.resolve();
    const mine = before.then(async () => {
      try {
        await this.#forgetSafely(userPath);
        await this.send(request, () => undefined, options);
      } finally {
        await this.#forgetSafely(userPath);
      }
    });
    const done = mine.catch(() => undefined);
    this.#writing.set(request.path, done);
    void done.then(() => this.#writing.get(request.path) === done && this.#writing.delete(request.path));
    await mine;
  }

  /** Forget what is kept, about one user or of everything; what is on its way is not kept either. */
  async forget(userPath?: string): Promise<void> {
    this.#changes++;
    await this.#kept.forget(this.#baseUrl, userPath);
  }

  async #forgetSafely(userPath: string): Promise<void> {
    try {
      await this.forget(userPath);
    } catch (error) {
      this.#tell({ kind: "storage", error });
    }
  }

  /** Do something as whoever the credential is, and once more where the API refuses it and there is another one. */
  async #as<T>(work: (credential: string | undefined) => Promise<T>, plainly = false): Promise<T> {
    const given = this.#credential;
    if (typeof given !== "function") return await work(given);
    let credential: string | undefined;
    try {
      credential = await given({});
    } catch (error) {
      throw plainly ? error : new CredentialError("there is no credential", { cause: error });
    }
    try {
      return await work(credential);
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status !== 401 || credential === undefined) throw error;
      const other = await given({ refused: credential });
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

function bearer(credential: string | undefined): Record<string, string> {
  return credential === undefined ? {} : { Authorization: `Bearer ${credential}` };
}

function mayBeKept(received: Received): boolean {
  return !/\bno-store\b/.test(received.headers.get("cache-control") ?? "");
}

function idOf(received: Received): string | undefined {
  return received.headers.get("x-request-id") ?? undefined;
}
