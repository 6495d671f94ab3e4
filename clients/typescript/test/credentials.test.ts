import assert from "node:assert/strict";
import { afterEach, before, test } from "node:test";
import { AudoticsClient, memoryStorage, NoAnswerError, problemOf } from "audotics";
import { API, KEY, stage, watched } from "./stage.js";

before(async () => void (await stage("publish?marker=first")));
afterEach(async () => void (await stage("restore")));

test("what one user was given is never given to another, nor to another credential", async () => {
  const storage = memoryStorage();
  const tokens = { one: await stage("token?sub=user_7"), other: await stage("token?sub=user_8") };
  const quick = { storage, retry: { retries: 0 } };
  const one = watched({ ...quick, credential: tokens.one });
  const other = watched({ ...quick, credential: tokens.other });
  await one.client.recommendations("user_7");
  await one.client.popular();
  await other.client.recommendations("user_8");
  // The other has no ETag of what the first was given, and is told that it may not.
  await assert.rejects(
    other.client.recommendations("user_7"),
    (error) => problemOf("recommendations", error)?.status === 403,
  );
  await stage("api/stop");
  await assert.rejects(other.client.recommendations("user_7"), NoAnswerError);
  await assert.rejects(other.client.popular(), NoAnswerError);
  await assert.rejects(watched({ ...quick, credential: KEY }).client.recommendations("user_7"), NoAnswerError);
  await assert.rejects(new AudoticsClient({ baseUrl: API, ...quick }).recommendations("user_7"), NoAnswerError);
  assert.equal((await one.client.recommendations("user_7")).data.user_id, "user_7");
  assert.equal((await other.client.recommendations("user_8")).data.user_id, "user_8");
});

test("an account's lists outlive its tokens, and are gone once it may not read them", async () => {
  const tokens = [await stage("token?sub=user_7&id=1"), await stage("token?sub=user_7&id=2")];
  let signedOut = false;
  const { client, statuses } = watched({
    account: "user_7",
    retry: { retries: 0 },
    credential: () => {
      const token = tokens.shift();
      if (token === undefined) throw new Error("the identity provider cannot be reached");
      return signedOut ? "aud_wrong" : token;
    },
  });
  await client.recommendations("user_7");
  await client.recommendations("user_7");
  assert.deepEqual(statuses, [200, 304]);
  assert.equal((await client.recommendations("user_7")).stale, true);
  signedOut = true;
  tokens.push("any", "other");
  await assert.rejects(
    client.recommendations("user_7"),
    (error) => problemOf("recommendations", error)?.status === 401,
  );
  tokens.length = 0;
  await assert.rejects(client.recommendations("user_7"), /identity provider/);
});

test("whoever cannot ask for another token in place of the expired one is given an account's lists, and no one else's", async () => {
  const good = await stage("token?sub=user_7");
  const expired = await stage("token?sub=user_7&expired=1");
  const offline = new Error("the identity provider cannot be reached");
  for (const account of ["user_7", undefined]) {
    let token = good;
    const credential = (asked: { refused?: string }): string => {
      if (asked.refused !== undefined) throw offline;
      return token;
    };
    const { client, events, statuses } = watched({ account, credential });
    const known = await client.recommendations("user_7");
    token = expired;
    const later = client.recommendations("user_7");
    if (account === undefined) await assert.rejects(later, offline);
    else assert.deepEqual([(await later).stale, (await later).data], [true, known.data]);
    assert.deepEqual(statuses, [200, 401]);
    const told = events.map((event) => event.kind === "stale" && event.error);
    assert.deepEqual(told, account === undefined ? [] : [offline]);
    await assert.rejects(client.block("user_7", "track", "t-1"), offline);
  }
});

test("who waits for a token ends as the caller says, and so it does with what is kept", async () => {
  let waits = false;
  const { client } = watched({
    account: "app",
    credential: () => (waits ? new Promise<string>(() => undefined) : KEY),
  });
  await client.recommendations("user_7");
  waits = true;
  const aborted = new AbortController();
  const waiting = client.recommendations("user_7", {}, { signal: aborted.signal });
  aborted.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});
