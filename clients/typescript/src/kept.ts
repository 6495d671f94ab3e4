/** What `localStorage` is, or any store of texts that answers later. */
export interface KeyValueStorage {
  getItem(key: string): string | null | undefined | Promise<string | null | undefined>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
}

/** An answer that is kept. */
export interface KeptAnswer {
  etag: string;
  /** When the API said so last, in milliseconds of Unix time. */
  at: number;
  text: string;
}

const PREFIX = "audotics:1:";
const INDEX = `${PREFIX}index`;
// One change at a time of each storage, whoever makes it: the index would lose what two write at once.
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

  async get(of: string, path: string): Promise<KeptAnswer | undefined> {
    if (this.#most === 0) return undefined;
    return await this.#safely(async () => parsed(await this.#storage.getItem(of + path)));
  }

  /** Keep an answer, and no more than there may be. */
  async put(of: string, path: string, answer: KeptAnswer): Promise<void> {
    if (this.#most === 0) return;
    const key = of + path;
    await this.#safely(() =>
      this.#inTurn(async () => {
        const keys = [...(await this.#index()).filter((each) => each !== key), key];
        for (const each of keys.splice(0, Math.max(0, keys.length - this.#most))) await this.#storage.removeItem(each);
        // Before the answer: of what is in the index and not there nobody minds, what is not in the index stays for ever.
        await this.#storage.setItem(INDEX, JSON.stringify(keys));
        await this.#storage.setItem(key, JSON.stringify(answer));
      }),
    );
  }

  async remove(of: string, path: string): Promise<void> {
    await this.#safely(() => this.#forget((key) => key === of + path));
  }

  /** Remove the answers of an API about one user, or all of them. Throws what the storage throws. */
  async forget(baseUrl: string, userPath?: string): Promise<void> {
    const base = prefix(baseUrl);
    await this.#forget((key) => key.startsWith(base) && (userPath === undefined || key.includes(`:${userPath}`)));
  }

  async #forget(which: (key: string) => boolean): Promise<void> {
    await this.#inTurn(async () => {
      const keys = await this.#index();
      for (const key of keys.filter(which)) await this.#storage.removeItem(key);
      await this.#storage.setItem(INDEX, JSON.stringify(keys.filter((key) => !which(key))));
    });
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

function parsed(text: string | null | undefined): KeptAnswer | undefined {
  if (text === null || text === undefined) return undefined;
  const found: Partial<KeptAnswer> | null = JSON.parse(text);
  const whole = typeof found?.etag === "string" && typeof found.at === "number" && typeof found.text === "string";
  return whole ? (found as KeptAnswer) : undefined;
}
