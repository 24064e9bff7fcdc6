import { VERSION } from "./cli/version.ts";

// Start-up is a feature: what a command does not need is not loaded, and --version needs nothing.
const args = process.argv.slice(2);
const [word] = args;
if (args.length === 1 && (word === "--version" || word === "-V")) {
  process.stdout.write(`countersign ${VERSION}\n`);
} else {
  // No `await` outside a function: the bundle is CommonJS (docs/decisions/002-bundling.md).
  void runDoor(word).then((exit) => {
    process.exitCode = exit;
  });
}

/** dist/action.js and dist/action-post.js, which GitHub's runner starts, say a word that stands for their door. */
async function runDoor(door: string | undefined): Promise<number> {
  if (door === "github-action" || door === "github-action-post") {
    const { runAction } = await import("./action/main.ts");
    return runAction(door === "github-action" ? "main" : "post");
  }
  const { runProgram } = await import("./cli/program.ts");
  return runProgram(args);
}
