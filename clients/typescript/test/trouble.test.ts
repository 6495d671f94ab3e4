import assert from "node:assert/strict";
import { afterEach, before, test } from "node:test";
import { type AudoticsClient, memoryStorage, NoAnswerError, problemOf, ProblemError } from "audotics";
import { API, between, LIMITED_API, stage, watched } from "./stage.js";

before(async () => void (await stage("publish?marker=first")));
afterEach(async () => void (await stage("restore")));

test("what Redis does not answer is asked again as long after as the API says", async () => {
  await stage("redis/pause");
  const { client, events, statuses } = watched({ retry: { retries: 6 } }, () => void stage("redis/resume"));
  assert.equal((await client.track("t-1")).data.track.track_id, "t-1");
  assert.equal(statuses.at(-1), 200);
  const [first] = events;
  assert.ok(first?.kind === "retry");
  assert.deepEqual([first.attempt, first.status], [1, 503]);
  assert.ok(first.waitMs >= 5000 && first.waitMs <= 5250, `${first.waitMs}`);
});

test("a read by POST is asked again as well", async () => {
  await stage("redis/pause");
  const { client, events } = watched({ retry: { retries: 6 } }, () => void stage("redis/resume"));
  assert.equal((await client.fromSeeds({ tracks: ["t-17"] })).data.source, "seeds");
  assert.equal(events[0]?.kind, "retry");
});

test("beyond the limit it waits until there is room", async () => {
  const { client, events, statuses } = watched({ baseUrl: LIMITED_API });
  for (let number = 0; number < 4; number++) await client.livez().then(() => client.track(`t-${number}`));
  assert.ok(statuses.includes(429));
  assert.equal(statuses.at(-1), 200);
  const retries = events.filter((event) => event.kind === "retry");
  assert.ok(retries.length > 0 && retries.every((event) => event.status === 429 && event.waitMs >= 1000));
});

test("who has no patience is told how long it would take", async () => {
  const { client, events } = watched({ baseUrl: LIMITED_API, retry: { patienceMs: 500 } });
  const error = await (async () => {
    for (let number = 0; number < 5; number++) await client.track(`t-${number}`);
  })().then(
    () => assert.fail(),
    (thrown: unknown) => thrown,
  );
  const problem = problemOf("track", error);
  assert.equal(problem?.status, 429);
  assert.ok((problem.retryAfterSeconds ?? 0) >= 1);
  assert.deepEqual(events, []);
});

test("a request takes no longer than it may, and ends when its caller says so", async () => {
  const aborted = new AbortController();
  const { client, events } = watched({}, (event) => event.kind === "retry" && aborted.abort(new Error("enough")));
  const known = await client.track("t-2");
  await stage("redis/pause");
  await assert.rejects(
    client.track("t-1", { timeoutMs: 50, retries: 0 }),
    (error) => error instanceof NoAnswerError && /in time/.test(error.message),
  );
  const stale = await client.track("t-2", { timeoutMs: 50, retries: 0 });
  assert.deepEqual([stale.stale, stale.data], [true, known.data]);
  await assert.rejects(client.track("t-1", { signal: aborted.signal }), /enough/);
  assert.deepEqual(
    events.map((event) => event.kind),
    ["stale", "retry"],
  );
  await assert.rejects(client.track("t-2", { signal: AbortSignal.abort(new Error("before")) }), /before/);
});

test("offline there is the last known list, which says so", async () => {
  const storage = memoryStorage();
  const { client, events } = watched({ storage, retry: { retries: 1, baseMs: 10 } });
  const known = await client.recommendations("user_7");
  await stage("api/stop");
  const offline = await client.recommendations("user_7");
  assert.deepEqual([offline.stale, offline.data, offline.requestId], [true, known.data, undefined]);
  assert.ok(offline.ageSeconds >= 0);
  assert.deepEqual(
    events.map((event) => event.kind),
    ["retry", "stale"],
  );
  // The app is started again.
  const later = watched({ storage, retry: { retries: 0 } });
  assert.deepEqual((await later.client.recommendations("user_7")).data, known.data);
  await assert.rejects(client.recommendations("user_8"), NoAnswerError, "of which nothing is known");
  await assert.rejects(client.batchGet({ user_ids: ["user_7"] }), NoAnswerError);
  await client.forget("user_7");
  await assert.rejects(client.recommendations("user_7"), NoAnswerError);
  await stage("api/start");
  assert.equal((await client.recommendations("user_7")).stale, false);
});

test("a proxy's page and a network that wants a login are no answers of the API", async () => {
  for (const [status, headers] of [
    [200, { "Content-Type": "text/html" }],
    [302, { Location: `${API}/openapi.json` }],
    [502, { "Content-Type": "text/html" }],
    [503, { "Content-Type": "text/html" }],
  ] as const) {
    await between(
      (_, response) => response.writeHead(status, headers).end("<p>Welcome"),
      async (url) => {
        const storage = memoryStorage();
        let known = false;
        const moved: typeof fetch = (input, init) => fetch(known ? String(input).replace(API, url) : input, init);
        const { client } = watched({ storage, fetch: moved, retry: { retries: 1, baseMs: 1 } });
        await client.popular();
        known = true;
        assert.equal((await client.popular()).stale, true, `${status}`);
        await assert.rejects(client.trending(), NoAnswerError);
      },
    );
  }
});

test("an answer with another status than the operation has is none of the API's", async () => {
  const ask: Record<string, (client: AudoticsClient) => Promise<unknown>> = {
    GET: (client) => client.popular(),
    POST: (client) => client.batchGet({ user_ids: ["user_7"] }),
    PUT: (client) => client.block("user_7", "track", "t-1"),
    DELETE: (client) => client.unblock("user_7", "track", "t-1"),
  };
  for (const [method, status] of [
    ["GET", 201],
    ["GET", 204],
    ["GET", 304],
    ["POST", 204],
    ["POST", 304],
    ["PUT", 200],
    ["PUT", 304],
    ["DELETE", 200],
  ] as const) {
    await between(
      (_, response) => response.writeHead(status, { "Content-Type": "application/json" }).end("{}"),
      async (url) => {
        const { client } = watched({ baseUrl: url, retry: { retries: 0 } });
        await assert.rejects(
          ask[method]?.(client) ?? assert.fail(),
          (error) => error instanceof NoAnswerError && error.status === status,
          `${method} ${status}`,
        );
      },
    );
  }
});

test("a list from before a block is never given, whether or not the API could be told", async () => {
  let waits = (): void => undefined;
  const waiting = new Promise<void>((resolve) => (waits = resolve));
  const { client } = watched({ retry: { retries: 1, baseMs: 1000 } }, () => waits());
  await client.recommendations("user_7");
  await client.recommendations("user_8");
  await stage("api/stop");
  const blocked = client.block("user_7", "track", "t-1");
  await waiting;
  await assert.rejects(client.recommendations("user_7", {}, { retries: 0 }), NoAnswerError);
  await assert.rejects(blocked, NoAnswerError);
  await assert.rejects(client.recommendations("user_7"), NoAnswerError);
  assert.equal((await client.recommendations("user_8")).stale, true);
});

test("a list that is on its way while something is blocked is not kept", async () => {
  let arrive = (): void => undefined;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const slow: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (init?.method === "GET") await arrived;
    return response;
  };
  const { client } = watched({ fetch: slow, retry: { retries: 0 } });
  const onItsWay = client.recommendations("user_7");
  await client.block("user_7", "track", "no-such-track");
  arrive();
  assert.equal((await onItsWay).data.source, "personal");
  await client.unblock("user_7", "track", "no-such-track");
  const again = client.recommendations("user_7");
  await client.forget();
  await again;
  await stage("api/stop");
  await assert.rejects(client.recommendations("user_7"), NoAnswerError);
});

/** A block that waits to be told again, as Redis is paused, and what was answered to all that is told. */
async function blockThatWaits() {
  await stage("redis/pause");
  let waits = (): void => undefined;
  const waiting = new Promise<void>((resolve) => (waits = resolve));
  const told: string[] = [];
  const telling: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    told.push(`${init?.method} ${response.status}`);
    return response;
  };
  const { client } = watched({ fetch: telling, retry: { retries: 6 } }, () => waits());
  const blocked = client.block("user_9", "track", "t-1");
  await waiting;
  return { client, told, blocked };
}

test("what waits to be told again of a block does not come after what was said later", async () => {
  const { client, told, blocked } = await blockThatWaits();
  await stage("redis/resume");
  await client.unblock("user_9", "track", "t-1");
  await blocked;
  assert.equal(told[0], "PUT 503");
  assert.deepEqual(told.slice(-2), ["PUT 204", "DELETE 204"]);
});

test("a change that waits for another ends when its caller says so, and the next one keeps its place", async () => {
  const { client, told, blocked } = await blockThatWaits();
  const aborted = new AbortController();
  const given = client.unblock("user_9", "track", "t-1", { signal: aborted.signal });
  const last = client.unblock("user_9", "track", "t-1");
  aborted.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  assert.deepEqual(told, ["PUT 503"]);
  await stage("redis/resume");
  await Promise.all([blocked, last]);
  assert.deepEqual(told.slice(-2), ["PUT 204", "DELETE 204"]);
  assert.equal(told.filter((each) => each.startsWith("DELETE")).length, 1);
});

test("a list that the API holds back, as it might hold what is blocked, is not given either", async () => {
  const { client } = watched({ retry: { retries: 0 } });
  await client.recommendations("user_7");
  await stage("blocks/damage?user=user_7");
  await assert.rejects(client.recommendations("user_7"), (error) => {
    assert.ok(error instanceof ProblemError);
    return error.status === 503 && error.type === "urn:audotics:problem:contract-mismatch";
  });
});

test("while the store is silent the popular list answers, and the last known list is not lost to it", async () => {
  const { client } = watched({ retry: { retries: 0 } });
  const known = await client.recommendations("user_7");
  await stage("redis/pause");
  const fallback = await client.recommendations("user_7");
  assert.deepEqual([fallback.data.fallback_reason, fallback.stale], ["store_unavailable", false]);
  await stage("redis/resume");
  await stage("api/stop");
  assert.deepEqual((await client.recommendations("user_7")).data, known.data);
});
