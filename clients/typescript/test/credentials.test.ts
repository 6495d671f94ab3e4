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
