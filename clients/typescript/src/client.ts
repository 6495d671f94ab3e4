import { Calls } from "./calls.js";
import type { Operation } from "./errors.js";
import { Kept, memoryStorage } from "./kept.js";
import type { Answer, CallOptions, ClientOptions } from "./options.js";
import { items, pages, type PageAnswer } from "./pages.js";
import type { components, operations } from "./schema.js";
import { DEFAULT_RETRY, Transport, type Request } from "./transport.js";

type Schemas = components["schemas"];
/** What may be asked of an operation, without the cursor, which the pages of a list follow by themselves. */
export type Query<Op extends Operation> = NonNullable<operations[Op]["parameters"]["query"]>;
/** Which list, from its beginning on. */
export type ListQuery<Op extends "recommendations" | "popular"> = Omit<Query<Op>, "cursor" | "offset">;
export type Slate = operations["userPlaylist"]["parameters"]["path"]["slate"];
export type PlaylistFormat = operations["userPlaylist"]["parameters"]["path"]["playlist_format"];
export type BlockKind = operations["block"]["parameters"]["path"]["kind"];
export type Item = Schemas["Item"];

const JSON_TYPE = "application/json";
const PLAYLIST_TYPES: Record<PlaylistFormat, string> = {
  jspf: "application/jspf+json",
  xspf: "application/xspf+xml",
  m3u8: "audio/mpegurl",
};
type Parameter = string | number | boolean | null | undefined | readonly string[];

/** A client of the read API. Methods are called as the operations of its description. */
export class AudoticsClient {
  readonly #calls: Calls;
  readonly #tell: NonNullable<ClientOptions["onEvent"]>;

  constructor(options: ClientOptions) {
    const baseUrl = options.baseUrl.replace(/\/+$/, "");
    if (!/^https?:$/.test(new URL(baseUrl).protocol))
      throw new TypeError("baseUrl must start with https:// or http://");
    const tell = (this.#tell = options.onEvent ?? (() => undefined));
    const send = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    const told = Object.entries(options.retry ?? {}).filter(([, value]) => value !== undefined);
    const retry = { ...DEFAULT_RETRY, ...Object.fromEntries(told) };
    const transport = new Transport(baseUrl, send, options.timeoutMs ?? 10_000, retry, tell);
    const kept = new Kept(options.storage ?? memoryStorage(), options.keep ?? 200, (error) =>
      tell({ kind: "storage", error }),
    );
    this.#calls = new Calls(
      baseUrl,
      transport,
      kept,
      { credential: options.credential, account: options.account },
      tell,
    );
  }

  /** A page of a user's list, or what stands in for it, as `fallback_reason` says. */
  recommendations(
    userId: string,
    query: Query<"recommendations"> = {},
    options?: CallOptions,
  ): Promise<Answer<Schemas["Recommendations"]>> {
    return this.#get("recommendations", `${user(userId)}recommendations`, query, options);
  }

  /** All pages of a user's list; each track comes once, whatever is published in between. */
  recommendationPages(
    userId: string,
    query: ListQuery<"recommendations"> = {},
    options?: CallOptions,
  ): AsyncGenerator<PageAnswer<Schemas["Recommendations"]>, void, void> {
    return this.#pages("recommendations", `${user(userId)}recommendations`, query, options);
  }

  /** The tracks of a user's list, page after page as they are needed. */
  recommendationItems(
    userId: string,
    query: ListQuery<"recommendations"> = {},
    options?: CallOptions,
  ): AsyncGenerator<Item, void, void> {
    return items(this.recommendationPages(userId, query, options));
  }

  /** Several lists for a user, no track twice. */
  home(userId: string, query: Query<"home"> = {}, options?: CallOptions): Promise<Answer<Schemas["Home"]>> {
    return this.#get("home", `${user(userId)}home`, query, options);
  }

  /** A user's list as the text of a playlist. */
  userPlaylist(
    userId: string,
    slate: Slate,
    format: PlaylistFormat,
    query: Query<"userPlaylist"> = {},
    options: CallOptions = {},
  ): Promise<Answer<string>> {
    const path = `${user(userId)}playlists/${slate}.${format}${queryOf(query)}`;
    return this.#calls.get(request("userPlaylist", "GET", path, PLAYLIST_TYPES[format]), (text) => text, options);
  }

  /** The lists of many users. */
  batchGet(body: Schemas["BatchBody"], options?: CallOptions): Promise<Answer<Schemas["Batch"]>> {
    return this.#post("batchGet", "/v1/recommendations:batchGet", body, options);
  }

  /** A list for somebody new, from artists, tracks and tags that they chose. */
  fromSeeds(body: Schemas["SeedsBody"], options?: CallOptions): Promise<Answer<Schemas["FromSeeds"]>> {
    return this.#post("fromSeeds", "/v1/recommendations:fromSeeds", body, options);
  }

  /** Never recommend this to the user again, from the next request on. */
  async block(userId: string, kind: BlockKind, itemId: string, options: CallOptions = {}): Promise<void> {
    await this.#calls.change(request("block", "PUT", blockPath(userId, kind, itemId)), user(userId), options);
  }

  /** Take a block back. */
  async unblock(userId: string, kind: BlockKind, itemId: string, options: CallOptions = {}): Promise<void> {
    await this.#calls.change(request("unblock", "DELETE", blockPath(userId, kind, itemId)), user(userId), options);
  }

  /** What is popular, overall or in a country. */
  popular(query: Query<"popular"> = {}, options?: CallOptions): Promise<Answer<Schemas["Popular"]>> {
    return this.#get("popular", "/v1/popular", query, options);
  }

  /** All pages of what is popular. */
  popularPages(
    query: ListQuery<"popular"> = {},
    options?: CallOptions,
  ): AsyncGenerator<PageAnswer<Schemas["Popular"]>, void, void> {
    return this.#pages("popular", "/v1/popular", query, options);
  }

  /** The tracks that are popular, page after page as they are needed. */
  popularItems(query: ListQuery<"popular"> = {}, options?: CallOptions): AsyncGenerator<Item, void, void> {
    return items(this.popularPages(query, options));
  }

  /** What more people hear than before. */
  trending(query: Query<"trending"> = {}, options?: CallOptions): Promise<Answer<Schemas["Trending"]>> {
    return this.#get("trending", "/v1/trending", query, options);
  }

  /** Tags that somebody new can choose, those that are heard most first. */
  tags(query: Query<"tags"> = {}, options?: CallOptions): Promise<Answer<Schemas["Tags"]>> {
    return this.#get("tags", "/v1/tags", query, options);
  }

  /** Tracks and artists by name. */
  search(q: string, query: Omit<Query<"search">, "q"> = {}, options?: CallOptions): Promise<Answer<Schemas["Found"]>> {
    return this.#get("search", "/v1/search", { q, ...query }, options);
  }

  track(trackId: string, options?: CallOptions): Promise<Answer<Schemas["Track"]>> {
    return this.#get("track", `/v1/tracks/${segment(trackId)}`, {}, options);
  }

  similarTracks(
    trackId: string,
    query: Query<"similarTracks"> = {},
    options?: CallOptions,
  ): Promise<Answer<Schemas["SimilarTracks"]>> {
    return this.#get("similarTracks", `/v1/tracks/${segment(trackId)}/similar`, query, options);
  }

  /** An artist and their tracks. */
  artist(
    artistId: string,
    query: Query<"artist"> = {},
    options?: CallOptions,
  ): Promise<Answer<Schemas["ArtistTracks"]>> {
    return this.#get("artist", `/v1/artists/${segment(artistId)}`, query, options);
  }

  similarArtists(
    artistId: string,
    query: Query<"similarArtists"> = {},
    options?: CallOptions,
  ): Promise<Answer<Schemas["SimilarArtists"]>> {
    return this.#get("similarArtists", `/v1/artists/${segment(artistId)}/similar`, query, options);
  }

  /** Whether the process answers. */
  livez(options?: CallOptions): Promise<Answer<Schemas["Alive"]>> {
    return this.#get("livez", "/livez", {}, { retries: 0, ...options });
  }

  /** Whether there is a live release; a ProblemError with status 503 says what is missing. */
  readyz(options?: CallOptions): Promise<Answer<Schemas["Ready"] | Schemas["ReadyShort"]>> {
    return this.#get("readyz", "/readyz", {}, { retries: 0, ...options });
  }

  /** Forget what is kept of this API, about one user or all of it: when somebody signs out. Throws what the storage throws. */
  async forget(userId?: string): Promise<void> {
    await this.#calls.forget(userId === undefined ? undefined : user(userId));
  }

  #get<T>(
    operation: Operation,
    path: string,
    query: Record<string, Parameter>,
    options: CallOptions = {},
  ): Promise<Answer<T>> {
    return this.#calls.get<T>(request(operation, "GET", path + queryOf(query)), JSON.parse, options);
  }

  #post<T>(operation: Operation, path: string, body: unknown, options: CallOptions = {}): Promise<Answer<T>> {
    return this.#calls.send<T>({ ...request(operation, "POST", path), body }, JSON.parse, options);
  }

  #pages<T extends { items: Item[]; next: string | null }>(
    operation: Operation,
    path: string,
    query: Record<string, Parameter>,
    options?: CallOptions,
  ): AsyncGenerator<PageAnswer<T>, void, void> {
    const following = (next: string): Promise<Answer<T>> => {
      if (!next.startsWith(`/`)) throw new TypeError(`${next} is not a path`);
      return this.#get<T>(operation, next, {}, options);
    };
    const restarts = (error: Error): void => this.#tell({ kind: "restart", path, error });
    return pages(() => this.#get<T>(operation, path, query, options), following, restarts);
  }
}

function request(operation: Operation, method: Request["method"], path: string, accepts = JSON_TYPE): Request {
  return { operation, method, path, accepts, headers: {} };
}

function user(userId: string): string {
  return `/v1/users/${segment(userId)}/`;
}

function blockPath(userId: string, kind: BlockKind, itemId: string): string {
  return `${user(userId)}blocks/${kind}/${segment(itemId)}`;
}

/** An id as a part of a path, whatever is in it. */
function segment(id: string): string {
  // Even in percent signs, addresses are cleared of these before they are sent.
  if (id === "" || id === "." || id === "..") throw new TypeError(`${JSON.stringify(id)} cannot be an id in a path`);
  return encodeURIComponent(id);
}

/** Always the same for the same query, as answers are kept by it. */
function queryOf(query: Record<string, Parameter>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query).sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (value === undefined || value === null) continue;
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each));
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
