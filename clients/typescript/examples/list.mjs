// node examples/list.mjs URL USER_ID [KEY]: what a user is recommended, and why.
import { AudoticsClient, ProblemError } from "audotics";

const [baseUrl, userId, credential] = process.argv.slice(2);
if (!baseUrl || !userId)
  throw new Error("say where the API is, and whose list: node examples/list.mjs URL USER_ID [KEY]");
const client = new AudoticsClient({ baseUrl, ...(credential && { credential }) });

try {
  for await (const { data, stale, ageSeconds } of client.recommendationPages(userId, { limit: 10 })) {
    if (data.items[0]?.rank === 1) {
      console.log(
        `${data.slate} for ${userId}, release ${data.release}${stale ? `, as it was ${ageSeconds} s ago` : ""}`,
      );
    }
    for (const { rank, title, artist, reason } of data.items) {
      console.log(`${rank}. ${title} by ${artist}${reason ? `, because of ${reason.title}` : ""}`);
    }
  }
} catch (error) {
  if (!(error instanceof ProblemError)) throw error;
  console.error(`${error.message} (request ${error.requestId})`);
  process.exitCode = 1;
}
