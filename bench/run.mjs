#!/usr/bin/env node
// Compiles the benchmark into build/ and runs it: node bench/run.mjs [--help]
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

process.chdir(path.resolve(path.dirname(fileURLToPath(import.meta.url)), ".."));
const out = path.resolve("build", "bench");
const joined = await rolldown({
  input: ["bench/main.ts", "bench/embedded-process.ts", "bench/signing-service-process.ts"],
  platform: "node",
  external: (id) => !id.startsWith(".") && !path.isAbsolute(id),
  checks: { ineffectiveDynamicImport: false },
});
await joined.write({ dir: out, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name].mjs" });
await joined.close();
await import(pathToFileURL(path.join(out, "main.mjs")).href);
