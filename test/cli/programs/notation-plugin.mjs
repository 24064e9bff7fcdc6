// A notation plugin for tests, contract version 1.0. Its configuration says what it does wrong, and where its key is:
// pluginConfig {key, chain, wrong?, at?, log?}.
import { createPrivateKey, sign } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const command = process.argv[2];
const request = JSON.parse(readFileSync(0, "utf8"));
const config = request.pluginConfig ?? {};
const { wrong, log } = config;
// Some faults come only with the second signature: the first is the rehearsal.
const rehearsal = Buffer.from(request.payload ?? "", "base64").includes("rehearsal");
const now =
  (config.at ?? command) ===
  (config.at === "image" ? (command === "generate-signature" && !rehearsal ? "image" : "") : command);
if (log) appendFileSync(log, `${JSON.stringify({ command, ...request, pluginConfig: undefined })}\n`);

const answer = (value) => process.stdout.write(JSON.stringify(value));
const refuse = (errorCode, errorMessage) => {
  process.stderr.write(JSON.stringify({ errorCode, errorMessage }));
  process.exit(1);
};
const pem = (file) =>
  [...readFileSync(file, "utf8").matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)].map(([, body]) =>
    body.replace(/\s/g, ""),
  );

if (now && wrong === "garbage") process.stdout.write("Welcome!\n");
else if (now && wrong === "never") await delay(300_000);
else if (now && wrong === "flood") {
  const pump = () => {
    while (process.stdout.write(Buffer.alloc(1 << 20, 0x20)));
    process.stdout.once("drain", pump);
  };
  pump();
} else if (now && ["THROTTLED", "TIMEOUT"].includes(wrong) && !existsSync(config.once ?? "/nonexistent")) {
  if (config.once) writeFileSync(config.once, "");
  refuse(wrong, "slow down");
} else if (now && ["ACCESS_DENIED", "VALIDATION_ERROR", "ERROR"].includes(wrong)) refuse(wrong, "no such vault");
else if (command === "get-plugin-metadata") {
  answer({
    name: wrong === "name" ? "another" : "test",
    description: "for tests",
    version: "1.0.0",
    url: "https://example.com",
    supportedContractVersions: [wrong === "version" ? "2.0" : "1.0"],
    capabilities: [wrong === "envelope" ? "SIGNATURE_GENERATOR.ENVELOPE" : "SIGNATURE_GENERATOR.RAW"],
  });
} else if (command === "describe-key") {
  answer({ keyId: wrong === "describedKeyId" ? "another" : request.keyId, keySpec: config.keySpec });
} else if (command === "generate-signature") {
  const key = createPrivateKey(readFileSync(config.key));
  const hash = request.hashAlgorithm.replace("-", "").toLowerCase();
  const payload = wrong === "bytes" && now ? Buffer.from("other bytes") : Buffer.from(request.payload, "base64");
  const rsa = request.keySpec.startsWith("RSA");
  const options = rsa ? { padding: 6, saltLength: Number(hash.slice(3)) / 8 } : { dsaEncoding: "ieee-p1363" };
  answer({
    keyId: wrong === "keyId" && now ? "another" : request.keyId,
    signature: sign(hash, payload, { key, ...options }).toString("base64"),
    signingAlgorithm: `${rsa ? "RSASSA-PSS" : "ECDSA"}-${request.hashAlgorithm}`,
    certificateChain: pem(wrong === "chain" && now ? config.other : config.chain),
  });
} else refuse("VALIDATION_ERROR", `no such command: ${command}`);
