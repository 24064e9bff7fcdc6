#!/usr/bin/env node
// Compiles the benchmark into build/ and runs it: node bench/run.mjs [--help]
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

process.chdir(path.resolve(path.dirname(fileURLToPath(import.meta.url)), ".."));
const out = path.resolve("build", "bench");
await build({
  entryPoints: ["bench/main.ts", "bench/embedded-process.ts", "bench/signing-service-process.ts"],
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20",
  logLevel: "warning",
});
await import(pathToFileURL(path.join(out, "main.mjs")).href);
