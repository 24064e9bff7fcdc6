import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { generateKey } from "openpgp";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { decodeMessage } from "../../src/formats/openpgp/message.ts";
import { signReport, verifyReport } from "../../src/reports/report.ts";
import { onlyImage } from "../cli/support/reports.ts";
import { countersignProgram, fileOf, runCountersign } from "../support/countersign.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const SIGNERS = 8;
const KILLS = 12;

describe("whole programs that sign one image by OpenPGP keys", () => {
  let plain: StartedRegistry;
  let extension: StartedRegistry;
  let secrets: readonly string[];
  let blocks: readonly string[];

  beforeAll(async () => {
    [plain, extension] = await Promise.all([startRegistry(), startRegistry({ signatureExtension: true })]);
    const made = await Promise.all(
      Array.from({ length: SIGNERS }, (_, at) =>
        generateKey({
          type: "ecc",
          curve: "ed25519Legacy",
          userIDs: { name: `signer ${at}` },
          subkeys: [],
          date: new Date(Date.now() - 86_400_000),
        }),
      ),
    );
    secrets = made.map(({ privateKey }) => fileOf(privateKey));
    blocks = made.map(({ publicKey }) => fileOf(publicKey));
  });
  afterAll(() => Promise.all([plain?.close(), extension?.close()]));

  async function pushed({ host, storage }: StartedRegistry, name: string) {
    const { digest } = await pushImage(storageSink(storage, name), { tag: "1", seed: name });
    return { image: `${host}/${name}:1`, folder: `${name}@${digest.replace(":", "=")}` };
  }

  const argumentsOf = (secret: string, lookaside: string, image: string) => [
    ...["sign", "--format", "openpgp", "--key", secret, "--output", "json"],
    ...[...(lookaside === "" ? [] : ["--lookaside", lookaside]), image],
  ];

  /** Which of the keys have signed an image, as `verify` tells, each asked for by itself. */
  async function signersOf(image: string, lookaside: string): Promise<readonly string[]> {
    const trusted = blocks.flatMap((block) => ["--gpg-key", block]);
    const where = lookaside === "" ? [] : ["--lookaside", lookaside];
    const run = await runCountersign(["verify", "--output", "json", ...trusted, ...where, image]);
    expect(run.exitCode, run.stderr + run.stdout).toBe(0);
    const { signatures } = onlyImage(verifyReport.parse(run.json()));
    expect(signatures.every(({ trusted: counts }) => counts)).toBe(true);
    return signatures.map(({ signer }) => signer?.subject ?? "").sort();
  }

  it.each(["a lookaside folder", "the signature extension"])("lose nothing of eight at once in %s", async (place) => {
    const folder = place === "a lookaside folder";
    const { image } = await pushed(folder ? plain : extension, "at-once/app");
    const lookaside = folder ? temporaryFolder() : "";
    const runs = await Promise.all(secrets.map((secret) => runCountersign(argumentsOf(secret, lookaside, image))));
    for (const run of runs) {
      expect(run.exitCode, run.stderr + run.stdout).toBe(0);
      expect(onlyImage(signReport.parse(run.json())).status).toBe("signed");
    }
    expect(await signersOf(image, lookaside)).toEqual(secrets.map((_, at) => `signer ${at}`));
  });

  it("leave no broken file, wherever one of them is killed", async () => {
    const { image, folder } = await pushed(plain, "killed/app");
    const lookaside = temporaryFolder();
    const own = path.join(lookaside, folder);
    mkdirSync(own, { recursive: true });
    const whole = () => readdirSync(own).filter((name) => name.startsWith("signature-"));
    const [secret = ""] = secrets;
    let ended = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      // The signing itself is the end of the run: from its first request on, at another moment each time.
      const before = plain.requests.length;
      const child = spawn(process.execPath, [countersignProgram(), ...argumentsOf(secret, lookaside, image)], {
        env: { PATH: "", HOME: lookaside },
        stdio: "ignore",
      });
      const exit = once(child, "exit");
      while (plain.requests.length === before && child.exitCode === null) await wait(2);
      await wait(kill * 4);
      child.kill("SIGKILL");
      const [code] = (await exit) as [number | null];
      if (code === 0) ended += 1;
      for (const name of whole()) decodeMessage(readFileSync(path.join(own, name)));
    }
    expect(ended, "all had ended before they were killed").toBeLessThan(KILLS);
    const last = await runCountersign(argumentsOf(secret, lookaside, image));
    expect(last.exitCode, last.stderr + last.stdout).toBe(0);
    expect(new Set(await signersOf(image, lookaside))).toEqual(new Set(["signer 0"]));
    expect(
      whole()
        .map((name) => Number(name.slice("signature-".length)))
        .sort((a, b) => a - b),
    ).toEqual(whole().map((_, at) => at + 1));
  });
});
