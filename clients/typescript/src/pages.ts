import { ProblemError } from "./errors.js";
import type { Answer } from "./options.js";

interface Page {
  items: { track_id: string }[];
  next: string | null;
}

/** A page of a list that is read on and on. */
export interface PageAnswer<T extends Page> extends Answer<T> {
  /** Whether the list before this page is not kept any more, so that this is the first page of the one that replaced it. */
  restarted: boolean;
}

/**
 * All pages of a list. A cursor goes on in the release of its first page; where that is not kept any more (410), the list
 * begins again in the live one, without the tracks that were given before.
 */
export async function* pages<T extends Page>(
  first: () => Promise<Answer<T>>,
  following: (next: string) => Promise<Answer<T>>,
  restarts: (error: ProblemError) => void,
): AsyncGenerator<PageAnswer<T>, void, void> {
  const given = new Set<string>();
  let next: string | null = null;
  let restarted = false;
  do {
    let answer: Answer<T>;
    try {
      answer = next === null ? await first() : await following(next);
    } catch (error) {
      if (next === null || !(error instanceof ProblemError) || error.status !== 410) throw error;
      restarts(error);
      next = null;
      restarted = true;
      continue;
    }
    const items = answer.data.items.filter((item) => !given.has(item.track_id));
    for (const item of items) given.add(item.track_id);
    yield { ...answer, data: { ...answer.data, items }, restarted };
    next = answer.data.next;
    restarted = false;
  } while (next !== null || restarted);
}

/** The items of pages, one by one. */
export async function* items<T extends Page>(
  of: AsyncIterable<Answer<T>>,
): AsyncGenerator<T["items"][number], void, void> {
  for await (const page of of) yield* page.data.items;
}
