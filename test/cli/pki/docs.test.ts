import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { pushImage, storageSink } from "../../support/images.ts";
import { startRegistry } from "../../support/start-registry.ts";
import { createMachine } from "../support/machine.ts";

const page = fileURLToPath(new URL("../../../docs/pki.md", import.meta.url));

/** The command lines of a page, in their order, each as its words. */
function commandsIn(text: string): readonly (readonly string[])[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = ""]) => block.replace(/\\\n\s*/g, ""));
  return [...blocks.join("\n").matchAll(/^countersign (.+)$/gm)].map(([, line = ""]) =>
    [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? ""),
  );
}

it("every command of docs/pki.md, run in its order, does what the page says", async () => {
  const machine = createMachine({ PKI_PASSPHRASE: "authority", LEAF_PASSPHRASE: "leaf" });
  const registry = await startRegistry();
  try {
    await pushImage(storageSink(registry.storage, "app"), { tag: "1.2" });
    const commands = commandsIn(readFileSync(page, "utf8"));
    expect(commands.map(([first, second]) => (first === "pki" ? `pki ${second}` : first))).toEqual([
      "pki init",
      "pki issue",
      "pki check",
      "sign",
      "verify",
      "pki issue",
      "pki revoke",
      "pki crl",
    ]);
    for (const words of commands) {
      const args = words.map((word) => word.replace("registry.example.com", registry.host));
      const { exit, stdout, stderr } = await machine.run(args);
      expect(exit, `${args.join(" ")}\n${stdout}${stderr}`).toBe(0);
      expect(stderr).toBe("");
    }
  } finally {
    await registry.close();
  }
});
