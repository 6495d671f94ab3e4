/** Two pages of a browser that share a storage, and users that share a client. */
import assert from "node:assert/strict";
import { afterEach, before, test } from "node:test";
import { NoAnswerError, type KeyValueStorage } from "audotics";
import { stage, watched, type Watched } from "./stage.js";

before(async () => void (await stage("publish?marker=first")));
afterEach(async () => void (await stage("restore")));

/** What `localStorage` is to one page, which sees what the others write. */
function page(items: Map<string, string>): Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length"> {
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
    key: (index) => [...items.keys()][index] ?? null,
    get length() {
      return items.size;
    },
  };
}

/** A step that others wait for. */
function step(): { taken: Promise<void>; take: () => void } {
  let take = (): void => undefined;
  const taken = new Promise<void>((resolve) => (take = resolve));
  return { taken, take: () => take() };
}

/** A client whose lists arrive only once they may. */
function slow(storage: KeyValueStorage): Watched & { asked: Promise<void>; arrive: () => void } {
  const [asked, arrived] = [step(), step()];
  const late: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    seen.statuses.push(response.status);
    if (init?.method !== "GET") return response;
    asked.take();
    await arrived.taken;
    return response;
  };
  const seen = watched({ storage, fetch: late, retry: { retries: 0 } });
  return { ...seen, asked: asked.taken, arrive: arrived.take };
}

/** A page keeps two lists; another one wrote the index at the same time, so that the first is not in it. */
async function orphaned(items: Map<string, string>): Promise<Watched> {
  const [read, written] = [step(), step()];
  let holds = false;
  const plain = page(items);
  const held = {
    ...plain,
    getItem: async (key: string) => {
      const found = await plain.getItem(key);
      if (holds && key.endsWith("index")) {
        read.take();
        await written.taken;
      }
      return found;
    },
  };
  const other = watched({ storage: held, retry: { retries: 0 } });
  await other.client.recommendations("user_8");
  const mine = watched({ storage: plain, retry: { retries: 0 } });
  holds = true;
  const writing = other.client.popular();
  await read.taken;
  await mine.client.recommendations("user_7");
  holds = false;
  written.take();
  await writing;
  return mine;
}

test("a list that another page made drop out of the index does not come back after a block", async () => {
  const items = new Map<string, string>();
  const { client } = await orphaned(items);
  await stage("api/stop");
  await assert.rejects(client.block("user_7", "track", "t-1"), NoAnswerError);
  await assert.rejects(client.recommendations("user_7"), NoAnswerError);
  assert.equal((await client.recommendations("user_8")).stale, true);
  assert.ok(![...items.values()].some((text) => text.includes('\\"user_7\\"')), "it is not on the disk either");
});

test("a list that is not in the index is not given", async () => {
  const { client, statuses } = await orphaned(new Map());
  await client.recommendations("user_7");
  await client.recommendations("user_7");
  // It is kept from the second on.
  assert.deepEqual(statuses, [200, 200, 304]);
});

test("signing out leaves nothing of anybody in a storage that says what it has", async () => {
  const items = new Map([["of-the-app", "user_7"]]);
  const { client } = await orphaned(items);
  await client.forget();
  assert.ok([...items].every(([key, text]) => key === "of-the-app" || !`${key}${text}`.includes("user_")));
  assert.equal(items.get("of-the-app"), "user_7");
  await stage("api/stop");
  for (const user of ["user_7", "user_8"]) await assert.rejects(client.recommendations(user), NoAnswerError);
});

for (const [what, forgets] of [
  ["blocks", ({ client }: Watched) => client.block("user_7", "track", "no-such-track")],
  ["signs out", ({ client }: Watched) => client.forget()],
  [
    "blocks, and others after it",
    async ({ client }: Watched) => {
      await client.forget("user_7");
      for (let number = 0; number < 250; number++) await client.forget(`other_${number}`);
    },
  ],
] as const) {
  test(`a list on its way to one page is not kept when another page ${what}`, async () => {
    const items = new Map<string, string>();
    const mine = slow(page(items));
    const onItsWay = mine.client.recommendations("user_7");
    await mine.asked;
    await forgets(watched({ storage: page(items) }));
    mine.arrive();
    assert.equal((await onItsWay).data.source, "personal");
    assert.ok(![...items.values()].some((text) => text.includes('\\"user_7\\"')));
    assert.ok(items.size <= 203, "what says since when nothing holds is not kept for everybody for ever");
    await stage("api/stop");
    await assert.rejects(mine.client.recommendations("user_7"), NoAnswerError);
  });
}

test("what another page forgets while this one tries in vain is not given", async () => {
  const items = new Map<string, string>();
  const waits = step();
  const { client } = watched({ storage: page(items), retry: { retries: 1, baseMs: 1000 } }, () => waits.take());
  await client.recommendations("user_7");
  await stage("api/stop");
  const tried = client.recommendations("user_7");
  await waits.taken;
  await watched({ storage: page(items) }).client.forget("user_7");
  await assert.rejects(tried, NoAnswerError);
});

test("a list on its way is not kept once it is forgotten, even where nothing can be written for a while", async () => {
  const items = new Map<string, string>();
  let full = false;
  const storage = {
    ...page(items),
    setItem: (key: string, value: string) => {
      if (full) throw new Error("full");
      items.set(key, value);
    },
  };
  const { client, asked, arrive } = slow(storage);
  const onItsWay = client.recommendations("user_7");
  await asked;
  full = true;
  await assert.rejects(client.forget("user_7"), /full/);
  full = false;
  arrive();
  await onItsWay;
  await stage("api/stop");
  await assert.rejects(client.recommendations("user_7"), NoAnswerError);
});

test("a block of one user's leaves alone what is on its way for others", async () => {
  const { client, statuses, asked, arrive } = slow(page(new Map()));
  const onItsWay = client.recommendations("user_7");
  await asked;
  await client.block("user_8", "track", "no-such-track");
  arrive();
  await onItsWay;
  await client.recommendations("user_7");
  assert.deepEqual(statuses, [200, 204, 304]);
});
