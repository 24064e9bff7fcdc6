import path from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { temporaryFolder } from "./temporary-folder.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * A program of TypeScript, which Node.js 20 does not run: one file, with everything that is loaded late beside it. Its imports are
 * relative to the folder of package.json; packages of `external` are left out. Resolves to the program's path.
 */
export async function bundle(source: string, external: readonly string[] = []): Promise<string> {
  const folder = temporaryFolder();
  const entry = path.join(root, "program.ts");
  const given = { name: "given", resolveId: (id: string) => (id === entry ? id : null) };
  const joined = await rolldown({
    input: { program: entry },
    platform: "node",
    external: [...external],
    plugins: [{ ...given, load: (id: string) => (id === entry ? source : null) }],
    logLevel: "warn",
    checks: { ineffectiveDynamicImport: false },
  });
  await joined.write({ dir: folder, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name].mjs" });
  await joined.close();
  return path.join(folder, "program.mjs");
}
