import { CountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";

/** Where notation keeps plugins: each in a folder of its name. The first that is there wins. */
function pluginFolders({ env, homeDirectory }: Pick<Host, "env" | "homeDirectory">): readonly string[] {
  const own = env["NOTATION_LIBEXEC"] || env["NOTATION_CONFIG"];
  if (own) return [`${own}/plugins`];
  const config = env["XDG_CONFIG_HOME"];
  return [
    `${config || `${homeDirectory}/.config`}/notation/plugins`,
    `${homeDirectory}/Library/Application Support/notation/plugins`,
  ];
}

/**
 * The executable of a plugin: FOLDER/NAME/notation-NAME.
 * @param folder in place of notation's own
 * @throws E_USAGE for what is no plugin's name, E_COMMAND when there is none.
 */
export async function findPlugin(name: string, folder: string | undefined, host: Host): Promise<string> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    throw new CountersignError("E_USAGE", `${JSON.stringify(name.slice(0, 100))} is no name of a notation plugin`, {
      hint: "write notation-plugin:NAME?id=KEY, with the name that `notation plugin list` shows",
    });
  }
  const folders = folder === undefined ? pluginFolders(host) : [folder];
  for (const each of folders) {
    const path = `${each}/${name}/notation-${name}`;
    if (await host.files.exists(path)) return path;
  }
  throw new CountersignError("E_COMMAND", `there is no ${name}/notation-${name} in ${folders.join(" or ")}`, {
    hint: "install it with `notation plugin install`, or name the folder that holds it with --plugin-dir",
  });
}
