import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { TimestampTrust } from "../model/policy.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial } from "../signers/key-source.ts";
import { about } from "./about.ts";
import type { OptionList } from "./option-list.ts";
import { type OptionValues, switched, texts } from "./option-values.ts";

const list = (value: string, before: string[] | undefined) => [...(before ?? []), value];

export const timestampTrustReaders = {
  timestampRoots: texts,
  timestampCertificateChain: texts,
  useSignedTimestamps: switched,
};

export type TimestampTrustOptions = OptionValues<typeof timestampTrustReaders>;

/** Whose time stamps count, for verifying. */
export function addTimestampTrustOptions<List extends OptionList>(command: List): List {
  return addTimestampRoots(command.optionsGroup("Time stamps (RFC 3161):")).option(
    "--use-signed-timestamps",
    "a signature without a time stamp by these does not count",
  );
}

export function addTimestampRoots<List extends OptionList>(command: List): List {
  return command
    .option("--timestamp-roots <file>", "roots of time-stamping authorities, PEM or DER (repeatable)", list)
    .option(
      "--timestamp-certificate-chain <file>",
      "the same as cosign has it: the authority's own certificate, its issuers, the root last",
      list,
    );
}

/**
 * The authorities whose time stamps count; undefined when none is named.
 * @throws with exit status 2: E_USAGE and the codes of certificates.
 */
export async function loadTimestampTrust(
  host: Host,
  options: TimestampTrustOptions,
): Promise<TimestampTrust | undefined> {
  const roots = await certificates(host, options.timestampRoots, "--timestamp-roots");
  const chains = await certificates(host, options.timestampCertificateChain, "--timestamp-certificate-chain");
  if (roots.length === 0 && chains.length === 0) {
    if (!options.useSignedTimestamps) return undefined;
    throw new CountersignError("E_USAGE", "--use-signed-timestamps stands without the root of an authority", {
      hint: "name whose time stamps count: --timestamp-roots FILE",
    });
  }
  const { isSelfIssued } = await import("../trust/path-building.ts");
  const anchors = [...roots, ...chains.filter(isSelfIssued)];
  const [last] = chains.slice(-1);
  // As with cosign, a chain that ends below its root is trusted from its end.
  if (anchors.length === 0 && last !== undefined) anchors.push(last);
  return {
    anchors,
    intermediates: chains.filter((certificate) => !anchors.includes(certificate)),
    required: options.useSignedTimestamps ?? false,
    when: "always",
  };
}

async function certificates(
  host: Host,
  sources: readonly string[] = [],
  name: string,
): Promise<readonly Certificate[]> {
  if (sources.length === 0) return [];
  const { parseCertificates } = await import("../trust/certificate.ts");
  const read = sources.map(async (source) => {
    const { bytes, label } = await readKeyMaterial(source, host, LIMITS.certificateFile);
    return about(`${name} ${label}`, async () => parseCertificates(bytes));
  });
  return (await Promise.all(read)).flat();
}
