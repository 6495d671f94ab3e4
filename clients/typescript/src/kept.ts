/** What `localStorage` is, or any store of texts that answers later. */
export interface KeyValueStorage {
  getItem(key: string): string | null | undefined | Promise<string | null | undefined>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
  /** A storage that has these two, as `localStorage` has, is cleared of what dropped out of the index as well. */
  key?(index: number): string | null;
  readonly length?: number;
}

/** An answer that is kept. */
export interface KeptAnswer {
  etag: string;
  /** When the API was asked for what it said last, in milliseconds of Unix time. */
  at: number;
  text: string;
}

const PREFIX = "audotics:1:";
const INDEX = `${PREFIX}index`;
const FORGOTTEN = "forgotten:";
// So many users' instants are kept at least, as a storage that keeps few answers may be shared with one that keeps many.
const FEWEST_INSTANTS = 200;
// One change at a time of each storage: the index would lose what two write at once. Other pages of a browser do not wait,
// so a key that is not in the index may be an old answer that nothing removed.
const turns = new WeakMap<KeyValueStorage, Promise<unknown>>();

export function memoryStorage(): KeyValueStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key),
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  };
}

/** Whose answers these are: of one API, and of one account or credential. Undefined where that cannot be told apart. */
export async function owner(
  baseUrl: string,
  account: string | undefined,
  credential: string | undefined,
): Promise<string | undefined> {
  const base = prefix(baseUrl);
  if (account !== undefined) return `${base}account=${encodeURIComponent(account)}:`;
  if (credential === undefined) return `${base}nobody:`;
  // A page that came over http has no digests.
  if (globalThis.crypto?.subtle === undefined) return undefined;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(credential));
  return `${base}credential=${Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")}:`;
}

/** Keeps answers by whose they are and what was asked for; those used last stay. */
export class Kept {
  readonly #storage: KeyValueStorage;
  readonly #most: number;
  readonly #failed: (error: unknown) => void;

  constructor(storage: KeyValueStorage, most: number, failed: (error: unknown) => void) {
    this.#storage = storage;
    this.#most = most;
    this.#failed = failed;
  }

  /** An answer that may still be given: it is in the index, and nobody forgot it since it was asked for. */
  async get(of: string, path: string): Promise<KeptAnswer | undefined> {
    if (this.#most === 0) return undefined;
    const key = of + path;
    return await this.#safely(async () => {
      const answer = parsed(await this.#storage.getItem(key));
      if (answer === undefined || !(await this.#index()).includes(key)) return undefined;
      return (await this.#holds(key, answer)) ? answer : undefined;
    });
  }

  /** Keep an answer, and no more than there may be; none that was forgotten while it was on its way. */
  async put(of: string, path: string, answer: KeptAnswer): Promise<void> {
    if (this.#most === 0) return;
    const key = of + path;
    await this.#safely(() =>
      this.#inTurn(async () => {
        if (!(await this.#holds(key, answer))) return;
        const others = (await this.#index()).filter((each) => each !== key);
        const answers = others.filter((each) => !isInstant(each));
        const over = answers.slice(0, Math.max(0, answers.length + 1 - this.#most));
        for (const each of over) await this.#storage.removeItem(each);
        // Before the answer: of what is in the index and not there nobody minds, what is not in the index stays for ever.
        await this.#write([...others.filter((each) => !over.includes(each)), key]);
        await this.#storage.setItem(key, JSON.stringify(answer));
        // Another page may have forgotten it in between.
        if (!(await this.#holds(key, answer))) await this.#storage.removeItem(key);
      }),
    );
  }

  async remove(of: string, path: string): Promise<void> {
    await this.#safely(() => this.#inTurn(async () => void (await this.#storage.removeItem(of + path))));
  }

  /**
   * Remove the answers of an API about one user, or all of them, and have none hold that was asked for until now: another
   * page may be about to keep one, or may have made one drop out of the index. Throws what the storage throws.
   */
  async forget(baseUrl: string, userPath?: string): Promise<void> {
    const base = prefix(baseUrl);
    await this.#inTurn(async () => {
      const instant = base + FORGOTTEN + (userPath ?? "");
      const about = (key: string): boolean =>
        key.startsWith(base) && key !== instant && (userPath === undefined || userPathOf(key) === userPath);
      const index = await this.#index();
      for (const key of new Set([...index, ...this.#listed()].filter(about))) await this.#storage.removeItem(key);
      await this.#storage.setItem(instant, String(Date.now()));
      const left = index.filter((key) => !about(key) && key !== instant);
      await this.#write(userPath === undefined ? left : await this.#bounded([...left, instant]));
    });
  }

  /** An index without the users' instants that are too many. What was asked for before one of them holds for nobody then. */
  async #bounded(index: string[]): Promise<string[]> {
    const over = index.filter(isInstant).slice(0, -Math.max(this.#most, FEWEST_INSTANTS));
    for (const key of over) {
      const all = key.slice(0, key.indexOf(FORGOTTEN) + FORGOTTEN.length);
      const instant = Math.max(await this.#instant(all), await this.#instant(key));
      await this.#storage.setItem(all, String(instant));
      await this.#storage.removeItem(key);
    }
    return index.filter((key) => !over.includes(key));
  }

  /** Whether nobody forgot an answer since it was asked for. */
  async #holds(key: string, answer: KeptAnswer): Promise<boolean> {
    const all = key.slice(0, key.indexOf(":", PREFIX.length) + 1) + FORGOTTEN;
    const since = Math.max(await this.#instant(all), await this.#instant(all + (userPathOf(key) ?? "")));
    // Of an answer from the future, as of a clock that was put back, nobody knows what it was before.
    return since < answer.at && answer.at <= Date.now();
  }

  async #instant(key: string): Promise<number> {
    return Number((await this.#storage.getItem(key)) ?? -Infinity);
  }

  async #inTurn(change: () => Promise<void>): Promise<void> {
    const mine = (turns.get(this.#storage) ?? Promise.resolve()).then(change);
    turns.set(
      this.#storage,
      mine.catch(() => undefined),
    );
    await mine;
  }

  async #index(): Promise<string[]> {
    const found: unknown = JSON.parse((await this.#storage.getItem(INDEX)) ?? "[]");
    return Array.isArray(found) ? found.filter((key) => typeof key === "string") : [];
  }

  async #write(index: string[]): Promise<void> {
    await this.#storage.setItem(INDEX, JSON.stringify(index));
  }

  /** All keys of a storage that says which it has. */
  #listed(): string[] {
    const storage = this.#storage;
    const keys = Array.from({ length: storage.length ?? 0 }, (_, index) => storage.key?.(index));
    return keys.filter((key) => typeof key === "string");
  }

  /** A storage that is full or closed must not keep the API's answer from whoever asked. */
  async #safely<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }
}

function prefix(baseUrl: string): string {
  return `${PREFIX}${encodeURIComponent(baseUrl)}:`;
}

/** The path of the user whom a path or a key of a kept answer is about; undefined where it is about nobody. */
export function userPathOf(path: string): string | undefined {
  return /\/v1\/users\/[^/]+\//.exec(path)?.[0];
}

function isInstant(key: string): boolean {
  return key.startsWith(FORGOTTEN, key.indexOf(":", PREFIX.length) + 1);
}

function parsed(text: string | null | undefined): KeptAnswer | undefined {
  if (text === null || text === undefined) return undefined;
  const found: Partial<KeptAnswer> | null = JSON.parse(text);
  const whole = typeof found?.etag === "string" && typeof found.at === "number" && typeof found.text === "string";
  return whole ? (found as KeptAnswer) : undefined;
}
