/** The running API that a test speaks to, and what a test does to it. tests/integration/clients/test_typescript.py starts all of it. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { AudoticsClient, type ClientEvent, type ClientOptions } from "audotics";

function told(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

export const API = told("AUDOTICS_API");
/** The same with a limit of three requests in three seconds. */
export const LIMITED_API = told("AUDOTICS_LIMITED_API");
export const KEY = told("AUDOTICS_KEY");
const CONTROL = told("AUDOTICS_CONTROL");

/** Have something done: pause Redis, stop the API, publish, sign a token. */
export async function stage(action: string): Promise<string> {
  const done = await fetch(`${CONTROL}/${action}`, { method: "POST" });
  const said = await done.text();
  if (!done.ok) throw new Error(said);
  return said;
}

export interface Watched {
  client: AudoticsClient;
  /** The statuses of all answers. */
  statuses: number[];
  events: ClientEvent[];
}

/** A client of the API with the key of an app, of which is known what it asks and does. */
export function watched(
  options: Partial<ClientOptions> = {},
  react: (event: ClientEvent) => unknown = () => undefined,
): Watched {
  const statuses: number[] = [];
  const events: ClientEvent[] = [];
  const client = new AudoticsClient({
    baseUrl: API,
    credential: KEY,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      statuses.push(response.status);
      return response;
    },
    onEvent: (event) => {
      events.push(event);
      react(event);
    },
    ...options,
  });
  return { client, statuses, events };
}

/** Something between the client and the API. */
export async function between(answer: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
