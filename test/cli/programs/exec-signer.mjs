// A signer for tests: exec-signer.mjs BEHAVIOUR KEY [MORE…]. Reads the bytes on standard input, writes a signature.
import { spawn } from "node:child_process";
import { createPrivateKey, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const [behaviour, keyFile, more = "", another = ""] = process.argv.slice(2);
const key = createPrivateKey(readFileSync(keyFile));
const input = readFileSync(0);
const hash = key.asymmetricKeyType === "ed25519" ? undefined : "sha256";
const signature = (options = {}) => sign(hash, input, { key, ...options });
const out = (bytes) => process.stdout.write(bytes);

const behaviours = {
  der: () => out(signature()),
  p1363: () => out(signature({ dsaEncoding: "ieee-p1363" })),
  base64: () => out(`${signature().toString("base64")}\n`),
  wrapped: () => out(`${signature().toString("base64").replace(/.{20}/g, "$&\n")}\n`),
  pss: () => out(sign(more, input, { key, padding: 6, saltLength: Number(more.slice(3)) / 8 })),
  hash: () => out(sign(more, input, key)),
  json: () =>
    out(JSON.stringify({ signature: signature().toString("base64"), certificates: [readFileSync(more, "utf8")] })),
  // Only every signature but the first, which is the rehearsal.
  jsonThenOther: () => {
    const certificates = [readFileSync(input.includes("rehearsal") ? more : another, "utf8")];
    out(JSON.stringify({ signature: signature().toString("base64"), certificates }));
  },
  shape: () => out(JSON.stringify({ sig: signature().toString("base64") })),
  other: () => out(sign(hash, Buffer.from("other bytes"), key)),
  nothing: () => {},
  garbage: () => out("PIN: please enter\n"),
  flood: () => {
    const chunk = Buffer.alloc(1 << 20, 0x41);
    let left = 100;
    const pump = () => {
      while (left > 0 && process.stdout.write(chunk)) left -= 1;
      if (left > 0) process.stdout.once("drain", pump);
    };
    pump();
  },
  never: () => delay(300_000),
  fail: () => {
    process.stderr.write(`PIN incorrect ${process.env.SIGNER_PIN ?? ""}\n\u001b[31m::error::x\u202e\n`);
    process.exitCode = 7;
  },
  crash: () => process.kill(process.pid, "SIGSEGV"),
  environment: () => {
    writeFileSync(more, JSON.stringify(process.env));
    out(signature());
  },
  arguments: () => {
    writeFileSync(more, JSON.stringify(process.argv.slice(5)));
    out(signature());
  },
  // Leaves a child behind that would give itself away, with the output in hand or without.
  lingerQuiet: () => {
    spawn("sh", ["-c", `sleep 1; echo alive > ${more}`], { stdio: "ignore" }).unref();
    out(signature());
  },
  lingerHolding: () => {
    spawn("sh", ["-c", `sleep 3; echo alive > ${more}`], { stdio: ["ignore", "inherit", "ignore"] }).unref();
    out(signature());
  },
  // How many run at once, each leaving a mark while it does.
  counted: async () => {
    const { mkdirSync, readdirSync, rmSync, appendFileSync } = await import("node:fs");
    mkdirSync(more, { recursive: true });
    const mark = `${more}/${process.pid}`;
    writeFileSync(mark, "");
    await delay(150);
    appendFileSync(`${more}.log`, `${readdirSync(more).length}\n`);
    rmSync(mark);
    out(signature());
  },
};
await behaviours[behaviour]();
