import { VERSION } from "./cli/version.ts";

// Start-up is a feature: what a command does not need is not loaded, and --version needs nothing.
const args = process.argv.slice(2);
const [word] = args;
if (args.length === 1 && (word === "--version" || word === "-V")) {
  process.stdout.write(`countersign ${VERSION}\n`);
} else if (word === "github-action" || word === "github-action-post") {
  // dist/action.js and dist/action-post.js, which the runner starts, say these words.
  const { runAction } = await import("./action/main.ts");
  process.exitCode = await runAction(word === "github-action" ? "main" : "post");
} else {
  const { runProgram } = await import("./cli/program.ts");
  process.exitCode = await runProgram(args);
}
