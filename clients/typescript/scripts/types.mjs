// Writes src/schema.ts: the types of the API, from the description that the app itself gives.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const python = fileURLToPath(new URL("../../../.venv/bin/python", import.meta.url));
// A running API, such as http://127.0.0.1:8080/openapi.json; without one, the app of this repository is asked.
const address = process.env.OPENAPI;

if (!address && !existsSync(python)) {
  throw new Error("run `make setup` in the repository first, or set OPENAPI to the openapi.json of an API");
}
const description = address
  ? new URL(address)
  : execFileSync(python, ["-m", "serving_api.openapi"], { encoding: "utf-8", maxBuffer: 16 * 1024 * 1024 });
// What has a default may be left out of requests.
const types = await openapiTS(description, { defaultNonNullable: false });
const made = "// Made by `npm run types` from the description of the API.\n";
await writeFile(new URL("../src/schema.ts", import.meta.url), made + astToString(types));
