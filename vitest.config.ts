import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Loading the program anew in each file took half of the time of the tests beside src/: the files of a worker share what they
    // import, and each-file.ts puts back what a file may change of the process.
    isolate: false,
    globalSetup: ["test/support/whole-run.ts"],
    setupFiles: ["test/support/each-file.ts"],
    // More than the two cores that CI has: many tests wait for registries and programs.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
