import { afterAll, beforeAll, describe } from "vitest";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import { authority, issue } from "../../trust/support/pki.ts";
import { keyPem, publicKeyPem } from "../support/keys.ts";
import { createMachine } from "../support/machine.ts";
import { type BadInput, refuses } from "../support/refusals.ts";
import { SECRETS } from "../support/secrets.ts";

const machine = createMachine({ COSIGN_PASSWORD: SECRETS.passphrase, REGISTRY_PASSWORD: SECRETS.password, EMPTY: "" });
const publicKey = machine.file("cosign.pub", publicKeyPem());
const privateKey = machine.file("signing.key", keyPem());
const roots = machine.file("root.pem", issue(authority("Root")).pem);
const emptyList = machine.file("none.txt", "# nothing today\n\n");
const longList = machine.file("long.txt", Buffer.alloc(4 * 1024 * 1024 + 1, "a"));
let registry: StartedRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const image = "localhost:1/app:1";
const verify = (...args: string[]) => ["verify", "--key", publicKey, ...args, image];
const byRoots = (...args: string[]) => ["verify", "--ca-roots", roots, ...args, image];
const sign = (...args: string[]) => ["sign", "--key", privateKey, ...args, image];

type Row = Omit<BadInput, "code" | "exit">;

function misuses(rows: readonly Row[], code: BadInput["code"] = "E_USAGE"): void {
  for (const row of rows) refuses({ ...row, code, exit: 2 }, () => ({ machine, registry }));
}

describe("a command line that is none", () => {
  misuses([
    { name: "an unknown command", args: ["sing", image], says: "sing" },
    { name: "an unknown flag", args: verify("--certificate-identiy", "me"), says: "--certificate-identity" },
    {
      name: "an unknown flag with a secret behind it",
      args: verify(`--registry-passwd=${SECRETS.password}`),
      says: "--registry-passw",
    },
    {
      name: "a secret before the command",
      args: ["--registry-password", SECRETS.password, ...verify()],
      says: "--registry-password",
    },
    { name: "a flag of another command", args: verify("--expiry", "1h"), says: "--expiry" },
    { name: "a flag without its value", args: ["verify", image, "--key"], says: "--key" },
    { name: "no image", args: ["verify", "--key", publicKey], says: "no image" },
    { name: "no image to list", args: ["list"], says: "no image" },
    { name: "arguments where there are none", args: ["quickstart", "now"], says: "argument" },
  ]);
});

describe("a value that a flag does not take", () => {
  misuses([
    { name: "an unknown output", args: verify("--output", "xml"), says: "xml" },
    { name: "no concurrency", args: verify("--concurrency", "0"), says: "--concurrency" },
    { name: "a concurrency of words", args: verify("--concurrency", "many"), says: "--concurrency" },
    { name: "connections beyond measure", args: verify("--connections", "100000"), says: "--connections" },
    { name: "a timeout before its time", args: verify("--request-timeout", "-1"), says: "--request-timeout" },
    { name: "a timeout with a unit", args: verify("--request-timeout", "30s"), says: "--request-timeout" },
    { name: "an unknown reference rule", args: verify("--require-reference", "tag"), says: "tag" },
    { name: "an unknown algorithm to allow", args: verify("--allow-algorithms", "rsa-pss-sha256,md5"), says: "md5" },
    { name: "no algorithm to allow", args: verify("--allow-algorithms", ""), says: "--allow-algorithms" },
    { name: "an unknown algorithm to sign by", args: sign("--signing-algorithm", "hs256"), says: "hs256" },
    { name: "an unknown format", args: sign("--format", "cosign,pgp"), says: "pgp" },
    { name: "no format", args: sign("--format", ","), says: "--format" },
    { name: "an annotation without a value", args: verify("-a", "branch"), says: "branch" },
    { name: "an annotation without a key", args: sign("-a", "=main"), says: "=main" },
    { name: "an annotation with two values", args: sign("-a", "branch=main", "-a", "branch=dev"), says: "branch" },
    { name: "an empty annotation of cosign's spelling", args: sign("--annotations", ""), says: "KEY=VALUE" },
    { name: "an empty identity", args: byRoots("--certificate-identity", ""), says: "--certificate-identity" },
    {
      name: "an empty identity pattern",
      args: byRoots("--certificate-identity-regexp", ""),
      says: "--certificate-identity",
    },
    { name: "an empty pattern of tags", args: ["list", "--tags", "", "localhost:1/app"], says: "--tags" },
  ]);
  misuses(
    [
      {
        name: "a pattern with an open bracket",
        args: byRoots("--certificate-identity-regexp", "ci(.*"),
        says: "ci(.*",
      },
      {
        name: "a pattern that RE2 does not know",
        args: byRoots("--certificate-subject-regexp", "(?=CN)CN"),
        says: "(?=CN)",
      },
      {
        name: "a pattern with a back reference",
        args: byRoots("--certificate-oidc-issuer-regexp", "(a)\\1"),
        says: "\\\\1",
      },
    ],
    "E_PATTERN_INVALID",
  );
  misuses([
    {
      name: "a fingerprint that is none",
      args: byRoots("--certificate-fingerprint", "SHA1:AB:CD"),
      says: "SHA1:AB:CD",
    },
  ]);
});

describe("flags that do not go together", () => {
  misuses([
    { name: "nothing to trust", args: ["verify", image], says: "nothing is trusted" },
    { name: "intermediates alone", args: ["verify", "--ca-intermediates", roots, image], says: "nothing is trusted" },
    { name: "an identity alone", args: ["verify", "--certificate-identity", "me", image], says: "nothing is trusted" },
    { name: "a key and roots", args: verify("--ca-roots", roots), says: "exclude" },
    { name: "a key and an identity", args: verify("--certificate-identity", "me"), says: "exclude" },
    {
      name: "an identity twice over",
      args: byRoots("--certificate-identity", "me", "--certificate-identity-regexp", "m.*"),
      says: "exclude",
    },
    {
      name: "all tags and some",
      args: ["verify", "--key", publicKey, "--all", "--tags", "v*", "localhost:1/app"],
      says: "--all and --tags",
    },
    { name: "no key to sign with", args: ["sign", image], says: "no key" },
    { name: "a chain without a certificate", args: sign("--certificate-chain", roots), says: "--certificate" },
    {
      name: "two lists on standard input",
      args: ["verify", "--key", publicKey, "-", "--images", "-"],
      says: "standard input",
    },
    {
      name: "key and list on standard input",
      args: ["verify", "--key", "-", "--images", "-"],
      stdin: publicKeyPem(),
      says: "standard input",
    },
    {
      name: "password and key on standard input",
      args: ["sign", "--key", "-", "--registry-username", "robot", "--registry-password", "-", image],
      stdin: SECRETS.password,
      says: "standard input",
    },
    {
      name: "credentials for no registry",
      args: ["list", "--registry-token", "env://REGISTRY_PASSWORD", "-"],
      stdin: image,
      says: "no registry",
    },
    { name: "an empty list", args: ["verify", "--key", publicKey, "--images", emptyList], says: "no image" },
  ]);
  misuses(
    [{ name: "a user without a password", args: verify("--registry-username", "robot"), says: "--registry-password" }],
    "E_CREDENTIALS_INVALID",
  );
});

describe("a file that a flag names", () => {
  misuses(
    [
      {
        name: "is not there: images",
        args: ["verify", "--key", publicKey, "--images", machine.absent("x.txt")],
        says: "x.txt",
      },
      { name: "is a folder: images", args: ["verify", "--key", publicKey, "--images", machine.home], says: "EISDIR" },
      {
        name: "is not there: --registry-cacert",
        args: verify("--registry-cacert", machine.absent("ca.pem")),
        says: "ca.pem",
      },
      {
        name: "is a secret: --registry-password",
        args: verify("--registry-username", "robot", "--registry-password", SECRETS.password),
        says: "--registry-password",
      },
      {
        name: "is a secret: --registry-token",
        args: verify("--registry-token", SECRETS.bearer),
        says: "--registry-token",
      },
    ],
    "E_FILE_UNREADABLE",
  );
  misuses(
    [{ name: "is too large: images", args: ["verify", "--key", publicKey, "--images", longList], says: "long.txt" }],
    "E_FILE_TOO_LARGE",
  );
  misuses(
    [
      {
        name: "is nowhere to be written: --report",
        args: verify("--report", `${roots}/report.json`),
        says: "report.json",
      },
    ],
    "E_FILE_UNWRITABLE",
  );
});

describe("a variable that a flag names", () => {
  misuses(
    [
      {
        name: "is empty: --registry-password",
        args: verify("--registry-username", "robot", "--registry-password", "env://EMPTY"),
        says: "EMPTY",
      },
      { name: "is not set: --registry-token", args: verify("--registry-token", "env://NOWHERE"), says: "NOWHERE" },
    ],
    "E_ENVIRONMENT_EMPTY",
  );
  misuses([
    {
      name: "has a dollar sign",
      args: verify("--registry-token", `env://$${SECRETS.bearer}`),
      says: "--registry-token",
    },
  ]);
});
