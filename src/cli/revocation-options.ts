import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { RevocationCheck } from "../model/policy.ts";
import type { Host } from "../platform/host.ts";
import type { RevocationList } from "../trust/crl.ts";
import { about } from "./about.ts";
import type { OptionList } from "./option-list.ts";
import { number, type OptionReader, type OptionValues, oneOf, switched, texts } from "./option-values.ts";
import { VERSION } from "./version.ts";

const list = (value: string, before: string[] | undefined) => [...(before ?? []), value];

const MODES = ["off", "files", "check"] as const;
const mode: OptionReader<(typeof MODES)[number] | undefined> = (value, flag) =>
  value === undefined ? undefined : oneOf(MODES)(value, flag);
const seconds: OptionReader<number | undefined> = (value, flag) =>
  value === undefined ? undefined : number(0.1, 600, "number")(value, flag);

export const revocationReaders = {
  crl: texts,
  revocation: mode,
  revocationTimeout: seconds,
  allowInsideRevocationHosts: switched,
};

export type RevocationFlags = OptionValues<typeof revocationReaders>;

export function addRevocationOptions<List extends OptionList>(command: List): List {
  return command
    .optionsGroup("Revocation:")
    .option(
      "--crl <file>",
      "a certificate revocation list, DER or PEM, of each issuer below the root (repeatable)",
      list,
    )
    .addOption(
      command
        .createOption(
          "--revocation <how>",
          "off; files: by --crl alone; check: OCSP and lists that certificates name, too (default: files with --crl, else off)",
        )
        .choices(MODES),
    )
    .option("--revocation-timeout <seconds>", "for one answer (default: 5)")
    .addOption(
      command.createOption(
        "--allow-inside-revocation-hosts",
        "visit addresses of this machine that certificates name; for tests only",
      ),
    );
}

/** What plain flags ask for; undefined when nothing is to be looked at. @throws E_USAGE, the codes of files and lists. */
export async function loadRevocation(host: Host, options: RevocationFlags): Promise<RevocationCheck | undefined> {
  const how = options.revocation ?? (options.crl === undefined ? "off" : "files");
  const given = options.crl !== undefined;
  if (how === "off" && !given) return undefined;
  if (how === "off" || (how === "files" && !given)) {
    throw new CountersignError(
      "E_USAGE",
      how === "off" ? "--crl stands beside --revocation off" : "--revocation files stands without --crl",
      { hint: "name the lists with --crl, and leave --revocation out" },
    );
  }
  return createCheck(host, options, how === "check");
}

/** Under a policy its levels say what becomes of an answer; it is asked for unless the flags say by which files alone. */
export async function loadPolicyRevocation(host: Host, options: RevocationFlags): Promise<RevocationCheck> {
  if (options.revocation === "off") {
    throw new CountersignError("E_USAGE", "--revocation off stands beside a trust policy, which says that itself", {
      hint: 'write "override": {"revocation": "skip"} into its statement',
    });
  }
  return createCheck(host, options, options.revocation !== "files");
}

async function createCheck(host: Host, options: RevocationFlags, online: boolean): Promise<RevocationCheck> {
  const [{ createRevocationCheck }, { parseRevocationLists }] = await Promise.all([
    import("../operations/revocation.ts"),
    import("../trust/crl.ts"),
  ]);
  const read = (options.crl ?? []).map((file) =>
    about(`--crl ${file}`, async () => parseRevocationLists(await host.files.read(file, LIMITS.crl))),
  );
  const lists: readonly RevocationList[] = (await Promise.all(read)).flat();
  return createRevocationCheck({ host, lists, source: online ? await openSource(options) : undefined });
}

/** Milliseconds. */
const TIMEOUT = 5000;

async function openSource(options: RevocationFlags) {
  const [{ createExchange }, { refuseInside }, { createRevocationSource }] = await Promise.all([
    import("../platform/http.ts"),
    import("../platform/outside.ts"),
    import("../services/revocation-source.ts"),
  ]);
  const inside = options.allowInsideRevocationHosts === true;
  return createRevocationSource({
    exchange: createExchange({ perOrigin: 4, outsideOnly: !inside }),
    permitted: inside ? () => undefined : refuseInside,
    timeout: (options.revocationTimeout ?? TIMEOUT / 1000) * 1000,
    userAgent: `countersign/${VERSION}`,
  });
}
