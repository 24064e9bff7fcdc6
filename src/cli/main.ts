import { VERSION } from "./version.ts";

// Start-up is a feature: what a command does not need is not loaded, and --version needs nothing.
const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
  process.stdout.write(`countersign ${VERSION}\n`);
} else {
  const { runProgram } = await import("./program.ts");
  process.exitCode = await runProgram(args);
}
