import assert from "node:assert/strict";
import { before, test } from "node:test";
import { AudoticsClient, NoAnswerError, problemOf, ProblemError, type ErrorStatus, type Operation } from "audotics";
import { API, KEY, stage, watched } from "./stage.js";

before(async () => void (await stage("publish?marker=first")));

/** An operation without a method is a mistake that the compiler finds. */
const methods: Record<Operation, (client: AudoticsClient) => unknown> = {
  recommendations: (client) => client.recommendations,
  home: (client) => client.home,
  userPlaylist: (client) => client.userPlaylist,
  batchGet: (client) => client.batchGet,
  fromSeeds: (client) => client.fromSeeds,
  block: (client) => client.block,
  unblock: (client) => client.unblock,
  popular: (client) => client.popular,
  trending: (client) => client.trending,
  tags: (client) => client.tags,
  search: (client) => client.search,
  track: (client) => client.track,
  similarTracks: (client) => client.similarTracks,
  artist: (client) => client.artist,
  similarArtists: (client) => client.similarArtists,
  livez: (client) => client.livez,
  readyz: (client) => client.readyz,
};

test("there is a method for every operation", () => {
  const { client } = watched();
  for (const [operation, method] of Object.entries(methods)) assert.equal(typeof method(client), "function", operation);
});

test("a list comes typed", async () => {
  const { client } = watched();
  const { data, stale, ageSeconds, requestId } = await client.recommendations("user_7", {
    slate: "discover",
    limit: 5,
  });
  const rank: number | undefined = data.items[0]?.rank;
  const reason: "because_you_listened_to" | undefined = data.items[1]?.reason?.type;
  const source: "personal" | "popular" = data.source;
  // @ts-expect-error There is no such field.
  assert.equal(data.nothing, undefined);
  // @ts-expect-error There is no such slate.
  await assert.rejects(client.recommendations("user_7", { slate: "charts" }), ProblemError);
  assert.deepEqual([rank, reason, source, data.items.length], [1, "because_you_listened_to", "personal", 5]);
  assert.deepEqual([stale, ageSeconds], [false, 0]);
  assert.match(requestId ?? "", /^[0-9a-f]{32}$/);
});

test("every route answers", async () => {
  const { client, statuses } = watched();
  assert.equal((await client.home("user_7")).data.shelves[0]?.slate, "for_you");
  assert.match((await client.userPlaylist("user_7", "for_you", "m3u8", { limit: 2 })).data, /^#EXTM3U\n/);
  assert.match((await client.userPlaylist("user_7", "for_you", "xspf")).data, /^<\?xml/);
  assert.equal(JSON.parse((await client.userPlaylist("user_7", "for_you", "jspf")).data).playlist.creator, "Audotics");
  const batch = await client.batchGet({ user_ids: ["user_8", "nobody"], limit: 3 });
  assert.deepEqual(
    batch.data.lists.map((list) => [list.user_id, list.fallback_reason]),
    [
      ["user_8", null],
      ["nobody", "unknown_user"],
    ],
  );
  const seeded = await client.fromSeeds({ artists: ["a-1"], limit: 2 });
  assert.equal(seeded.data.items[0]?.reason?.type, "because_you_chose");
  const tag = (await client.tags()).data.items[0]?.tag ?? "";
  assert.equal((await client.fromSeeds({ tags: [tag] })).data.items[0]?.reason?.tag, tag);
  assert.equal((await client.popular({ country: "Finland" })).data.country, "Finland");
  assert.equal((await client.trending({ limit: 1 })).data.items.length, 1);
  assert.equal((await client.track("t-1")).data.track.title, "Otter Love");
  assert.equal((await client.similarTracks("t-1")).data.track.track_id, "t-1");
  assert.equal((await client.artist("a-1")).data.artist.name, "Beyoncette");
  assert.equal((await client.similarArtists("a-1")).data.artist.artist_id, "a-1");
  assert.equal((await client.livez()).data.status, "alive");
  assert.equal((await client.readyz()).data.status, "ready");
  const found = await client.search("velvet otters", { kind: "artist" });
  assert.deepEqual(
    found.data.items.map((item) => (item.kind === "artist" ? item.name : item.title)),
    ["The Velvet Otters"],
  );
  assert.deepEqual(new Set(statuses), new Set([200]));
});

test("repeated values and ids with any signs arrive as they are", async () => {
  const { client } = watched();
  const whole = (await client.recommendations("user_7")).data.items.map((item) => item.track_id);
  const left = await client.recommendations("user_7", {
    exclude: whole.slice(0, 2),
    include_year: ["1990-2009", "2010-2030"],
    country: null,
  });
  assert.deepEqual(
    left.data.items.map((item) => item.track_id).filter((id) => whole.indexOf(id) < 2),
    [],
  );
  for (const id of ["a/b", "Zoë & co?", "50%", "%2e%2e", "a//b/recommendations", "..."]) {
    assert.equal((await client.recommendations(id)).data.user_id, id);
  }
  for (const id of ["", ".", ".."]) assert.throws(() => client.recommendations(id), TypeError);
});

test("an answer that has not changed comes from what is kept", async () => {
  const { client, statuses } = watched();
  const first = await client.recommendations("user_7");
  const second = await client.recommendations("user_7");
  assert.deepEqual(statuses, [200, 304]);
  assert.deepEqual([second.data, second.stale], [first.data, false]);
  await stage("publish?marker=second");
  const changed = await client.recommendations("user_7");
  await stage("publish?marker=first");
  assert.deepEqual(statuses, [200, 304, 200]);
  assert.notDeepEqual(changed.data, first.data);
});

test("no more is kept than there may be, and what was used last stays", async () => {
  const items = new Map<string, string>();
  const storage = {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
  };
  const { client, statuses } = watched({ storage, keep: 3 });
  for (const number of [1, 2, 3, 1, 4, 5, 1, 2]) await client.track(`t-${number}`);
  assert.deepEqual(statuses, [200, 200, 200, 304, 200, 200, 304, 200]);
  // Three answers and what says which.
  assert.equal(items.size, 4);
  assert.ok(![...items.keys(), ...items.values()].some((text) => text.includes(KEY)), "no key is stored");
  await client.forget();
  // What says which, and since when no older one holds.
  assert.equal(items.size, 2);
});

test("what is blocked is gone from the next list, until the block is taken back", async () => {
  const { client, statuses } = watched();
  const list = async (): Promise<string[]> => {
    const { data } = await client.recommendations("user_9", { limit: 100 });
    return data.items.map((item) => item.track_id);
  };
  const whole = await list();
  const [first = "", second = ""] = whole;
  await client.block("user_9", "track", first);
  assert.deepEqual(await list(), whole.slice(1));
  // Whichever is sent first is also the first to arrive.
  await Promise.all([client.block("user_9", "track", second), client.unblock("user_9", "track", second)]);
  await client.unblock("user_9", "track", first);
  assert.deepEqual(await list(), whole);
  assert.deepEqual(statuses, [200, 204, 200, 204, 204, 204, 200]);
  await client.block("user_9", "artist", "a/b & c?");
  await client.unblock("user_9", "artist", "a/b & c?");
});

test("a storage that is full holds up nobody", async () => {
  const full = new Error("full");
  const storage = {
    getItem: () => null,
    setItem: () => {
      throw full;
    },
    removeItem: () => undefined,
  };
  const { client, events } = watched({ storage });
  assert.equal((await client.track("t-1")).data.track.track_id, "t-1");
  assert.deepEqual(events, [{ kind: "storage", error: full }]);
  await assert.rejects(client.forget(), full);
});

test("a wrong key is a typed problem", async () => {
  const { client, statuses } = watched({ credential: "aud_wrong" });
  const error = await client.recommendations("user_7").then(
    () => assert.fail(),
    (thrown: unknown) => thrown,
  );
  const problem = problemOf("recommendations", error);
  assert.ok(problem);
  const status: ErrorStatus<"recommendations"> = problem.status;
  // @ts-expect-error This operation never answers with 402.
  const never: ErrorStatus<"recommendations"> = 402;
  assert.notEqual(status, never);
  assert.deepEqual([problem.status, problem.type], [401, "urn:audotics:problem:not-authenticated"]);
  assert.match(problem.requestId, /^[0-9a-f]{32}$/);
  assert.equal(problem.detail, "the key or token is not valid, or no longer");
  assert.deepEqual(statuses, [401], "nothing is gained by asking again");
  assert.equal(problemOf("popular", error), undefined);
});

/** What an app does for each error: an error that is documented later on is one that the compiler finds missing here. */
function said(problem: ProblemError<ErrorStatus<"recommendations">>): string {
  switch (problem.status) {
    case 400:
    case 401:
    case 403:
      return "sign in";
    case 404:
    case 405:
    case 421:
    case 422:
    case 431:
      return `a mistake of ours: ${problem.errors.map((each) => each.field).join()}`;
    case 410:
      return "begin again";
    case 429:
    case 500:
    case 503:
      return "later";
    default: {
      const never: never = problem.status;
      return never;
    }
  }
}

test("every documented status can be told apart", async () => {
  const { client } = watched();
  for (const [query, expected] of [
    [{ limit: 1000 }, "a mistake of ours: query.limit"],
    [{ scenario: "nothing" }, "a mistake of ours: "],
    [{ release: "2020-01-01-00000000" }, "begin again"],
  ] as const) {
    const error = await client.recommendations("user_7", query).then(
      () => assert.fail(),
      (thrown: unknown) => thrown,
    );
    const problem = problemOf("recommendations", error);
    assert.equal(problem && said(problem), expected);
  }
});

test("a token that is refused is asked for again, once", async () => {
  const good = await stage("token?sub=user_7");
  const expired = await stage("token?sub=user_7&expired=1");
  const asked: unknown[] = [];
  const { client, statuses } = watched({
    credential: async (ask) => {
      asked.push(ask);
      return ask.refused === undefined ? expired : good;
    },
  });
  assert.equal((await client.recommendations("user_7")).data.source, "personal");
  assert.deepEqual(asked, [{}, { refused: expired }]);
  const refused = watched({ credential: () => expired });
  await assert.rejects(
    refused.client.recommendations("user_7"),
    (error) => problemOf("recommendations", error)?.status === 401,
  );
  assert.deepEqual([statuses, refused.statuses], [[401, 200], [401]]);
  const other = watched({ credential: () => good });
  await assert.rejects(
    other.client.recommendations("user_8"),
    (error) => problemOf("recommendations", error)?.status === 403,
  );
});

test("whoever is signed out is nobody", async () => {
  const { client, statuses } = watched({ credential: () => undefined });
  await assert.rejects(client.popular(), ProblemError);
  assert.deepEqual(statuses, [401]);
});

test("an address that is not the API's is no answer", async () => {
  const client = new AudoticsClient({ baseUrl: `${API}/docs?`, credential: KEY, retry: { retries: 0 } });
  await assert.rejects(client.popular(), NoAnswerError);
  assert.throws(() => new AudoticsClient({ baseUrl: "music.example.org" }), TypeError);
});
