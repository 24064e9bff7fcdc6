import { CountersignError } from "../model/errors.ts";
import type { Witnessing } from "../operations/store-signature.ts";
import type { Host } from "../platform/host.ts";
import type { OptionList } from "./option-list.ts";
import { number, type OptionValues, text, texts } from "./option-values.ts";
import { addTimestampRoots, loadTimestampTrust } from "./timestamp-options.ts";
import { VERSION } from "./version.ts";

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
  return addTimestampRoots(command).option("--timestamp-timeout <seconds>", "for one answer", "15");
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
