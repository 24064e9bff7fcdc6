import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { removeTemporaryFolders } from "./temporary-folder.ts";

// The files of a worker share its process and what they import. vitest runs this before each of them, so that every file finds
// the environment and the working folder as the first did.
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const shared = globalThis as { countersignEnvironment?: Readonly<NodeJS.ProcessEnv> };
shared.countersignEnvironment ??= { ...process.env };
const before = shared.countersignEnvironment;

for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
Object.assign(process.env, before);
process.chdir(root);
afterAll(removeTemporaryFolders);
