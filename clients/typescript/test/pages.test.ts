import assert from "node:assert/strict";
import { test } from "node:test";
import { stage, watched } from "./stage.js";

const ids = (items: { track_id: string }[]): string[] => items.map((item) => item.track_id);

test("a list that is read on while a release goes live comes whole, each track once", async () => {
  await stage("publish?marker=first");
  const { client, statuses } = watched();
  const whole = ids((await client.recommendations("user_7", { limit: 100 })).data.items);
  const given: string[] = [];
  for await (const item of client.recommendationItems("user_7", { limit: 5 })) {
    given.push(item.track_id);
    if (given.length === 5) await stage("publish?marker=second");
  }
  assert.deepEqual(given, whole);
  assert.equal(statuses.length, 4);
  assert.notDeepEqual(ids((await client.recommendations("user_7", { limit: 100 })).data.items), whole);
});

test("a list whose release is gone begins again, and no track comes twice", async () => {
  await stage("publish?marker=first");
  // This user's lists of the two releases begin with some tracks in common.
  const user = "user_5";
  const { client, events } = watched();
  const given: string[] = [];
  const restarts: boolean[] = [];
  for await (const page of client.recommendationPages(user, { limit: 5 })) {
    given.push(...ids(page.data.items));
    restarts.push(page.restarted);
    if (restarts.length === 1)
      for (const marker of ["second", "third", "fourth"]) await stage(`publish?marker=${marker}`);
  }
  const begun = given.slice(0, 5);
  const live = ids((await client.recommendations(user, { limit: 100 })).data.items);
  assert.ok(live.some((id) => begun.includes(id)));
  assert.deepEqual(given, [...begun, ...live.filter((id) => !begun.includes(id))]);
  assert.deepEqual(restarts, [false, true, false, false]);
  assert.deepEqual(
    events.map((event) => event.kind),
    ["restart"],
  );
});

test("what is popular is read to its end, and no further than it is wanted", async () => {
  await stage("publish?marker=first");
  const { client, statuses } = watched();
  const given: string[] = [];
  for await (const item of client.popularItems({ limit: 10 })) given.push(item.track_id);
  assert.deepEqual(given, ids((await client.popular({ limit: 100 })).data.items));
  assert.equal(new Set(given).size, 25);
  const before = statuses.length;
  for await (const item of client.popularItems({ limit: 10 })) if (item.rank === 3) break;
  assert.equal(statuses.length, before + 1);
});
