import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { shellLauncher, windowsLauncher } from "../../src/action/setup.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

describe("the launcher that setup puts on PATH", () => {
  it.each(["plain", "with a space", "with'quote", 'with"quotes"', "$HOME `id` \\ ;"])(
    "starts the program by the runner's node from a folder named %j, and hands on arguments as they are",
    (name) => {
      const folder = join(temporaryFolder(), name);
      mkdirSync(folder, { recursive: true });
      const script = join(folder, "index.cjs");
      writeFileSync(script, "process.stdout.write(JSON.stringify(process.argv.slice(2)))");
      const launcher = join(folder, "countersign");
      writeFileSync(launcher, shellLauncher({ node: process.execPath, script }));
      chmodSync(launcher, 0o755);
      const args = ["sign", "a b", "$(id)", '"', "'", "--key=*", ""];
      expect(JSON.parse(execFileSync(launcher, args, { encoding: "utf8", env: {} }))).toEqual(args);
    },
  );

  it("is for cmd a line in which no path is read as a variable", () => {
    expect(windowsLauncher({ node: "D:\\a b\\node.exe", script: "D:\\100%\\index.js" })).toBe(
      '@"D:\\a b\\node.exe" "D:\\100%%\\index.js" %*\r\n',
    );
  });
});
