import type { Certificate } from "../model/certificate.ts";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { TimestampTrust } from "../model/policy.ts";
import type { Witnessing } from "../operations/store-signature.ts";
import type { Host } from "../platform/host.ts";
import { readKeyMaterial } from "../signers/key-source.ts";
import { about } from "./about.ts";
import type { OptionList } from "./option-list.ts";
import { number, type OptionValues, switched, text, texts } from "./option-values.ts";
import { VERSION } from "./version.ts";

const list = (value: string, before: string[] | undefined) => [...(before ?? []), value];

export const timestampTrustReaders = {
  timestampRoots: texts,
  timestampCertificateChain: texts,
  useSignedTimestamps: switched,
};

export type TimestampTrustOptions = OptionValues<typeof timestampTrustReaders>;

/** Whose time stamps count, for verifying. */
export function addTimestampTrustOptions<List extends OptionList>(command: List): List {
  return addRoots(command.optionsGroup("Time stamps (RFC 3161):")).option(
    "--use-signed-timestamps",
    "a signature without a time stamp by these does not count",
  );
}

function addRoots<List extends OptionList>(command: List): List {
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

export const timestampReaders = {
  timestampUrl: text,
  timestampServerUrl: text,
  timestampPolicy: text,
  timestampTimeout: number(0.1, 3600, "number"),
  timestampRoots: texts,
  timestampCertificateChain: texts,
};

/** A time-stamping authority to ask, for signing. */
export function addTimestampOptions<List extends OptionList>(command: List): List {
  command
    .optionsGroup("Time stamps (RFC 3161):")
    .option("--timestamp-url <url>", "have each signature time-stamped here, so that it outlives its certificate")
    .option("--timestamp-server-url <url>", "the same, as cosign spells it")
    .option("--timestamp-policy <oid>", "that the time stamps must be issued under");
  return addRoots(command).option("--timestamp-timeout <seconds>", "for one answer", "15");
}

const UNPINNED =
  "the time-stamping authority is not pinned: whoever answers there is believed; add --timestamp-roots with its root";

/** Requests to an authority at once: public ones count them. */
const CONCURRENCY = 4;

/**
 * Who witnesses signatures, from flags; undefined when none is asked for.
 * @throws with exit status 2: E_USAGE and the codes of certificates.
 */
export async function loadWitnessing(
  host: Host,
  options: OptionValues<typeof timestampReaders>,
): Promise<{ readonly witnessing: Witnessing | undefined; readonly warnings: readonly string[] }> {
  const named = options.timestampUrl ?? options.timestampServerUrl;
  const trust = await loadTimestampTrust(host, { ...options, useSignedTimestamps: false });
  if (named === undefined || named === "") {
    const stray = named === "" ? "--timestamp-url is empty" : "time stamp flags stand without --timestamp-url";
    if (named === undefined && trust === undefined && options.timestampPolicy === undefined) {
      return { witnessing: undefined, warnings: [] };
    }
    throw new CountersignError("E_USAGE", stray, {
      hint: "name the authority to ask: --timestamp-url http://tsa.example.com",
    });
  }
  if (options.timestampUrl !== undefined && options.timestampServerUrl !== undefined) {
    throw new CountersignError("E_USAGE", "--timestamp-url and --timestamp-server-url are the same", {
      hint: "leave one out",
    });
  }
  const url = addressOf(named);
  const policy = options.timestampPolicy;
  if (policy !== undefined && !/^[0-2](?:\.(?:0|[1-9]\d{0,14})){1,30}$/.test(policy)) {
    throw new CountersignError("E_USAGE", `--timestamp-policy: ${JSON.stringify(policy.slice(0, 80))} is no OID`, {
      hint: "write it with dots, as 1.3.6.1.4.1.57264.2",
    });
  }
  const [{ createExchange }, { createRetrier }, { createTimeStampService }, { createTimeStampWitness }] =
    await Promise.all([
      import("../platform/http.ts"),
      import("../platform/retry.ts"),
      import("../services/time-stamp.ts"),
      import("../operations/time-stamp-witness.ts"),
    ]);
  const service = createTimeStampService({
    url,
    // Its own connections: the registry's CA and client certificate are not for this host.
    exchange: createExchange({ perOrigin: CONCURRENCY }),
    retrier: createRetrier(host, { throttledCode: "E_TIMESTAMP_SERVICE" }),
    now: () => host.now(),
    timeout: options.timestampTimeout * 1000,
    concurrency: CONCURRENCY,
    userAgent: `countersign/${VERSION}`,
  });
  const required = trust && { ...trust, required: true };
  const witness = createTimeStampWitness({ host, service, trust: required, policy });
  return { witnessing: { witness, trust: required }, warnings: trust === undefined ? [UNPINNED] : [] };
}

function addressOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw new CountersignError("E_USAGE", "--timestamp-url is no http or https address", {
      hint: "write http://HOST[:PORT]/PATH",
    });
  }
  if (url.username === "" && url.password === "") return url;
  throw new CountersignError("E_INSECURE_ADDRESS", `the address of ${url.host} holds a user name or password`, {
    hint: "leave them out: no credentials are sent to a time-stamping authority",
  });
}
