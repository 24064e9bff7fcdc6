// A notation plugin for tests that makes whole envelopes (generate-envelope), JWS and COSE, with an ECDSA key on P-256. Its
// configuration says where its key is and what it does wrong: pluginConfig {key, chain, otherKey, otherChain, now?, wrong?, log?}.
import { createPrivateKey, sign } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const command = process.argv[2];
const request = JSON.parse(readFileSync(0, "utf8"));
const { pluginConfig: config = {}, ...asked } = request;
const { wrong, log } = config;
if (log) appendFileSync(log, `${JSON.stringify({ command, ...asked })}\n`);
const answer = (value) => process.stdout.write(JSON.stringify(value));

const ders = (file) =>
  [...readFileSync(file, "utf8").matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)].map(([, body]) =>
    Buffer.from(body, "base64"),
  );

/** The payload that was asked for, or another. */
function payload() {
  const bytes = Buffer.from(request.payload, "base64");
  const { targetArtifact: target } = JSON.parse(bytes.toString());
  const other = {
    digest: { ...target, digest: `sha256:${"1".repeat(64)}` },
    size: { ...target, size: target.size + 1 },
    mediaType: { ...target, mediaType: "application/vnd.oci.image.index.v1+json" },
    annotated: { ...target, annotations: { ...target.annotations, added: "by the plugin" } },
    unannotated: { ...target, annotations: undefined },
    urls: { ...target, urls: ["https://example.com/"] },
  }[wrong];
  if (wrong === "member") return Buffer.from(JSON.stringify({ targetArtifact: target, another: target }));
  return other === undefined ? bytes : Buffer.from(JSON.stringify({ targetArtifact: other }));
}

const N = "io.cncf.notary.";
/** Labels and values of the signed attributes; times in seconds. */
function attributes() {
  const signingTime =
    Math.floor((config.now ? Date.parse(config.now) : Date.now()) / 1000) - (wrong === "old" ? 86_400 : 0);
  const seconds =
    wrong === "expiry" ? 60 : wrong === "short" ? request.expiryDurationInSeconds / 2 : request.expiryDurationInSeconds;
  const expiry = seconds && wrong !== "eternal" ? signingTime + seconds : undefined;
  const authority = wrong === "authority";
  const times = authority ? [[`${N}authenticSigningTime`, signingTime]] : [[`${N}signingTime`, signingTime]];
  if (expiry) times.push([`${N}expiry`, expiry]);
  const texts = [[`${N}signingScheme`, authority ? "notary.x509.signingAuthority" : "notary.x509"]];
  if (wrong === "verifier") texts.push([`${N}verificationPlugin`, "com.example.verifier"]);
  if (wrong === "critical") texts.push(["com.example.job", "42"]);
  const critical = [...texts, ...times].map(([label]) => label).filter((label) => !label.endsWith(".signingTime"));
  return { texts, times, critical };
}

const key = () => createPrivateKey(readFileSync(wrong === "key" ? config.otherKey : config.key));
const raw = (bytes) => sign("sha256", bytes, { key: key(), dsaEncoding: "ieee-p1363" });
const chain = () => {
  const found = ders(wrong === "chain" || wrong === "stranger" ? config.otherChain : config.chain);
  return wrong === "rootless"
    ? found.slice(0, -1)
    : wrong === "disorder"
      ? [found[0], ...found.slice(1).reverse()]
      : found;
};
const contentType = () => (wrong === "contentType" ? "application/json" : request.payloadType);

function jws() {
  const { texts, times, critical } = attributes();
  const header = {
    alg: wrong === "algorithm" ? "ES384" : "ES256",
    cty: contentType(),
    crit: critical,
    ...Object.fromEntries(texts),
    ...Object.fromEntries(times.map(([label, at]) => [label, new Date(at * 1000).toISOString().replace(".000Z", "Z")])),
  };
  const [first, second] = [Buffer.from(JSON.stringify(header)), payload()].map((part) => part.toString("base64url"));
  const signature = raw(Buffer.from(`${first}.${second}`)).toString("base64url");
  const x5c = chain().map((der) => der.toString("base64"));
  return Buffer.from(JSON.stringify({ payload: second, protected: first, header: { x5c }, signature }));
}

/** CBOR of what a COSE envelope needs. */
function cbor(value) {
  const head = (major, size) => {
    if (size < 24) return Buffer.from([major * 32 + size]);
    if (size < 256) return Buffer.from([major * 32 + 24, size]);
    const [more, width] = size < 65_536 ? [25, 2] : [26, 4];
    const bytes = Buffer.alloc(1 + width);
    bytes[0] = major * 32 + more;
    bytes.writeUIntBE(size, 1, width);
    return bytes;
  };
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  if (value instanceof Map) return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)]);
  return Buffer.concat([head(6, value.tag), cbor(value.of)]);
}

function cose() {
  const { texts, times, critical } = attributes();
  const header = new Map([
    [1, wrong === "algorithm" ? -35 : -7],
    [2, critical],
    [3, contentType()],
    ...texts,
    ...times.map(([label, at]) => [label, { tag: 1, of: at }]),
  ]);
  const [first, second] = [cbor(header), payload()];
  const signature = raw(cbor(["Signature1", first, Buffer.alloc(0), second]));
  return cbor({ tag: 18, of: [first, new Map([[33, chain()]]), second, signature] });
}

if (wrong === "failing") {
  process.stderr.write(JSON.stringify({ errorCode: "ERROR", errorMessage: "no such profile" }));
  process.exit(1);
}
if (command === "get-plugin-metadata") {
  answer({
    name: "sealer",
    description: "for tests",
    version: "1.0.0",
    url: "https://example.com",
    supportedContractVersions: ["1.0"],
    capabilities: [wrong === "verifies" ? "SIGNATURE_VERIFIER.REVOCATION_CHECK" : "SIGNATURE_GENERATOR.ENVELOPE"],
  });
} else if (wrong === "never") await delay(300_000);
else if (wrong === "flood") {
  const pump = () => {
    while (process.stdout.write(Buffer.alloc(1 << 20, 0x20)));
    process.stdout.once("drain", pump);
  };
  pump();
} else if (wrong === "garbage") process.stdout.write("Welcome!\n");
else if (wrong === "noise") {
  answer({
    signatureEnvelope: Buffer.from("noise").toString("base64"),
    signatureEnvelopeType: request.signatureEnvelopeType,
  });
} else {
  const made = request.signatureEnvelopeType === "application/cose" ? cose() : jws();
  answer({
    signatureEnvelope: made.toString("base64"),
    signatureEnvelopeType: wrong === "type" ? "application/octet-stream" : request.signatureEnvelopeType,
    annotations: { "com.example.profile": "release" },
  });
}
