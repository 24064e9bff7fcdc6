import { VERSION } from "./version.ts";

// Start-up is a feature: what a command does not need is not loaded, and --version needs nothing.
const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
  process.stdout.write(`countersign ${VERSION}\n`);
} else {
  // No `await` outside a function: the bundle is CommonJS (docs/decisions/002-bundling.md).
  void import("./program.ts")
    .then(({ runProgram }) => runProgram(args))
    .then((exit) => {
      process.exitCode = exit;
    });
}
